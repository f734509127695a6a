package fakecloud

import (
	"net"

	"github.com/rouse-proxy/rouse/internal/peek"
)

// A port is an open listener of a machine, or of a stranger.
type port struct {
	ln    net.Listener
	conns map[net.Conn]bool
}

// openPort lets somebody listen at the machine's address; nothing if somebody does.
func (m *machine) openPort() {
	if m.port == nil {
		m.port = m.cloud.listen(m, m.serve)
	}
}

// closePort lets nobody listen, and resets whoever is connected.
func (m *machine) closePort() {
	m.up = false
	if m.port != nil {
		m.port.close()
		m.port = nil
	}
	clear(m.clients)
}

// listen opens the machine's address for f, which is called with the mutex held for each connection and says who serves
// it: nobody for a reset.
func (c *Cloud) listen(m *machine, f func(net.Conn) (serve func())) *port {
	ln, err := c.opts.Listen(m.address)
	if err != nil {
		m.meter.problem("cannot listen at " + m.address + ": " + err.Error())
		m.note("cannot listen", "", err.Error())
		return nil
	}
	p := &port{ln: ln, conns: map[net.Conn]bool{}}
	c.wg.Go(func() { c.accept(p, f) })
	return p
}

func (c *Cloud) accept(p *port, f func(net.Conn) (serve func())) {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		if serve := c.welcome(p, conn, f); serve != nil {
			c.wg.Go(serve)
		} else {
			reset(conn)
		}
	}
}

func (c *Cloud) welcome(p *port, conn net.Conn, f func(net.Conn) (serve func())) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.conns == nil {
		return nil // closed meanwhile
	}
	serve := f(conn)
	if serve == nil {
		return nil
	}
	p.conns[conn] = true
	return func() {
		defer c.farewell(p, conn)
		serve()
	}
}

func (c *Cloud) farewell(p *port, conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(p.conns, conn)
}

// close needs the mutex.
func (p *port) close() {
	_ = p.ln.Close()
	for conn := range p.conns {
		reset(conn)
	}
	p.conns = nil
}

func reset(conn net.Conn) {
	if l, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = conn.Close()
}

// serve gives a client the application; without one it is reset, as by a forwarder.
func (m *machine) serve(conn net.Conn) func() {
	if !m.up {
		return nil
	}
	m.clients[conn] = true
	app, name := m.plan.App, m.plan.Name
	return func() {
		app.serve(name, conn)
		_ = conn.Close() // before it is forgotten: a client is one until it can see its end
		m.cloud.mu.Lock()
		defer m.cloud.mu.Unlock()
		delete(m.clients, conn)
	}
}

// clientsNow counts the clients that have not gone, whether or not the application has noticed.
func (m *machine) clientsNow() (n int) {
	for conn := range m.clients {
		if ended, err := peek.Ended(conn); err == nil && ended {
			if unsent, err := peek.Unsent(conn); err == nil && unsent <= 1 { // an end of stream counts as one
				continue
			}
		}
		if !peek.Broken(conn) {
			n++
		}
	}
	return n
}

// settleStranger lets somebody else listen at the address that a machine has had.
func (c *Cloud) settleStranger(m *machine) {
	if p := c.listen(m, m.strange); p != nil {
		c.strangers = append(c.strangers, p)
		m.note("stranger", "", m.address)
	}
}

// strange is what a stranger does with a connection: it takes what it gets.
func (m *machine) strange(conn net.Conn) func() {
	m.meter.strangerClients++
	return func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			m.heard(n)
			if err != nil {
				return
			}
		}
	}
}

func (m *machine) heard(n int) {
	if n == 0 {
		return
	}
	m.cloud.mu.Lock()
	defer m.cloud.mu.Unlock()
	m.meter.strangerBytes += int64(n)
	m.note("bytes to a stranger", "", "")
}
