package shape

import (
	"encoding/binary"
	"strings"
)

// readMinecraft reads the handshake of Minecraft's Java edition, or what clients before 1.7 send to see the status.
func readMinecraft(b []byte) (Hello, error) {
	if len(b) > 0 && b[0] == 0xfe {
		return Hello{}, nil // before 1.7: some wait for the answer behind this one byte, all want the status
	}
	size, rest, err := varint(b)
	switch {
	case err != nil:
		return Hello{}, err
	case size < 7 || size > 1024:
		return Hello{}, ErrOther
	}
	return handshakeBody(rest, size)
}

// handshakeBody reads what follows the length. Each field is judged as soon as it is there.
func handshakeBody(b []byte, size int) (Hello, error) {
	whole := len(b) >= size
	b = b[:min(len(b), size)]
	more := func() error { // why a field is not whole
		if whole {
			return ErrOther
		}
		return ErrMore
	}
	id, b, err := varint(b)
	switch {
	case err == ErrMore:
		return Hello{}, more()
	case err != nil || id != 0:
		return Hello{}, ErrOther
	}
	_, b, err = varint(b) // the protocol's version; -1 is five bytes
	if err == ErrMore {
		return Hello{}, more()
	} else if err != nil {
		return Hello{}, err
	}
	length, b, err := varint(b)
	switch {
	case err == ErrMore:
		return Hello{}, more()
	case err != nil || length < 0 || length > 1020:
		return Hello{}, ErrOther
	case len(b) < length+2:
		return Hello{}, more()
	}
	h := Hello{Name: gameHost(string(b[:length]))}
	next, b, err := varint(b[length+2:])
	switch {
	case err == ErrMore:
		return Hello{}, more()
	case err != nil || next < 1 || next > 3 || len(b) > 0:
		return Hello{}, ErrOther
	}
	h.Login = next != 1 // 2: login, 3: transfer, which is a login on another server's word
	return h, nil
}

// gameHost returns a host without what mod loaders and proxies put behind it.
func gameHost(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	s, _, _ = strings.Cut(s, "///")
	return name(s)
}

// varint reads a number of one to five bytes, seven bits each, as Minecraft has it.
func varint(b []byte) (n int, rest []byte, err error) {
	var value uint32
	for i, c := range b {
		if i == 4 && c > 0x0f || i > 4 {
			return 0, nil, ErrOther
		}
		value |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int(int32(value)), b[i+1:], nil
		}
	}
	return 0, nil, ErrMore
}

// readMQTT reads a CONNECT (MQTT 3.1.1, 3.1; MQTT 5, 3.1).
func readMQTT(b []byte) (Hello, error) {
	if len(b) > 0 && b[0] != 0x10 {
		return Hello{}, ErrOther
	}
	if len(b) < 2 {
		return Hello{}, ErrMore
	}
	size, rest, err := remaining(b[1:])
	switch {
	case err != nil:
		return Hello{}, err
	case size < 10 || size > Most-5:
		return Hello{}, ErrOther
	}
	m := mqtt{rest: rest[:min(len(rest), size)], whole: len(rest) >= size}
	return m.connect()
}

// remaining reads a length of one to four bytes.
func remaining(b []byte) (n int, rest []byte, err error) {
	for i, c := range b[:min(len(b), 4)] {
		n |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			return n, b[i+1:], nil
		}
	}
	if len(b) >= 4 {
		return 0, nil, ErrOther
	}
	return 0, nil, ErrMore
}

// mqtt is what is left of a CONNECT.
type mqtt struct {
	rest  []byte
	whole bool // nothing comes after rest
}

func (m *mqtt) missing() error {
	if m.whole {
		return ErrOther
	}
	return ErrMore
}

func (m *mqtt) take(n int) ([]byte, error) {
	if len(m.rest) < n {
		return nil, m.missing()
	}
	taken := m.rest[:n]
	m.rest = m.rest[n:]
	return taken, nil
}

// field reads a text with its length before it.
func (m *mqtt) field() ([]byte, error) {
	size, err := m.take(2)
	if err != nil {
		return nil, err
	}
	return m.take(int(binary.BigEndian.Uint16(size)))
}

func (m *mqtt) connect() (Hello, error) {
	if len(m.rest) >= 2 {
		if n := binary.BigEndian.Uint16(m.rest); n != 4 && n != 6 {
			return Hello{}, ErrOther
		}
	}
	protocol, err := m.field()
	if err != nil {
		return Hello{}, err
	}
	head, err := m.take(4) // level, flags, keepalive
	switch {
	case string(protocol) != "MQTT" && string(protocol) != "MQIsdp":
		return Hello{}, ErrOther
	case err != nil:
		return Hello{}, err
	case head[0] < 3 || head[0] > 5 || head[1]&1 != 0:
		return Hello{}, ErrOther
	}
	return m.payload(head[0] == 5, head[1])
}

func (m *mqtt) payload(five bool, flags byte) (Hello, error) {
	if five {
		if err := m.properties(); err != nil {
			return Hello{}, err
		}
	}
	client, err := m.field()
	if err != nil {
		return Hello{}, err
	}
	h := Hello{Client: text(string(client))}
	if flags&0x04 != 0 { // a will: properties, topic, message
		if five {
			if err := m.properties(); err != nil {
				return Hello{}, err
			}
		}
		for range 2 {
			if _, err := m.field(); err != nil {
				return Hello{}, err
			}
		}
	}
	if flags&0x80 != 0 {
		user, err := m.field()
		if err != nil {
			return Hello{}, err
		}
		h.User = text(string(user))
	}
	return h, nil
}

// properties skips those of MQTT 5.
func (m *mqtt) properties() error {
	size, rest, err := remaining(m.rest)
	switch {
	case err == ErrMore:
		return m.missing()
	case err != nil:
		return err
	}
	m.rest = rest
	_, err = m.take(size)
	return err
}
