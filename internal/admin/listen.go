package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// mostAsking is how many connections there are at once. The next ones wait.
const mostAsking = 128

// limit lets only so many connections be open at a time.
func limit(ln net.Listener, n int) net.Listener {
	return &limited{Listener: ln, free: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits until one more may be open.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: conn, free: l.free}, nil
}

// Close ends who waits, too.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

// Close lets another one in.
func (c *limitedConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}

const (
	tokenName  = "admin.token"
	leastToken = 16
	mostToken  = 4096
)

// TokenPath returns where the token of a state directory is, if no other file is named.
func TokenPath(dir string) string { return filepath.Join(dir, tokenName) }

// ReadToken reads a token from its file.
func ReadToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > mostToken {
		return "", fmt.Errorf("%s is no file with a token: it has to be a regular file of at most %d bytes", path, mostToken)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others than its owner can read the token in %s: chmod 600 it, and write another token if somebody may have", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < leastToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("the token in %s is shorter than %d characters, or has spaces in it: write one that nobody can guess, such as what openssl rand -hex 32 prints", path, leastToken)
	}
	return token, nil
}

// MakeToken reads the token of a state directory, and makes one if there is none.
func MakeToken(dir string) (token string, made bool, err error) {
	path := TokenPath(dir)
	if token, err = ReadToken(path); !errors.Is(err, os.ErrNotExist) {
		return token, false, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	token = hex.EncodeToString(secret)
	file, err := os.CreateTemp(dir, tokenName+"-*") // open to nobody else
	if err != nil {
		return "", false, err
	}
	_, err = file.WriteString(token + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", false, errors.Join(err, os.Remove(file.Name()))
	}
	return token, true, nil
}
