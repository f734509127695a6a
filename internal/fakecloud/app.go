package fakecloud

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
)

// An App is what answers at a machine's port.
type App string

// The applications.
const (
	Echo   App = "echo"   // sends back what it gets, and ends when its client does
	SHA256 App = "sha256" // reads to the end, then answers with the checksum in hexadecimal
	Banner App = "banner" // says a line first, then echoes
)

var apps = []App{Echo, SHA256, Banner}

// Greeting is what the banner application says first.
func Greeting(machine string) string { return "this is " + machine + "\n" }

// serve is one client's time there. A failure ends in a reset.
func (a App) serve(machine string, conn net.Conn) {
	var err error
	switch a {
	case SHA256:
		sum := sha256.New()
		if _, err = io.Copy(sum, conn); err == nil {
			_, err = io.WriteString(conn, hex.EncodeToString(sum.Sum(nil)))
		}
	case Banner:
		if _, err = io.WriteString(conn, Greeting(machine)); err == nil {
			_, err = io.Copy(conn, conn)
		}
	default:
		_, err = io.Copy(conn, conn)
	}
	if err != nil {
		reset(conn)
	}
}
