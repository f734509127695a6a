package shape

import (
	"golang.org/x/crypto/cryptobyte"
)

const (
	recordHandshake = 22
	clientHello     = 1
	mostRecord      = 1 << 14 // RFC 8446, 5.1
	extName         = 0
)

// readTLS reads a ClientHello, which may come in several records.
func readTLS(b []byte) (Hello, error) {
	message, err := handshake(b)
	if len(message) > 0 && message[0] != clientHello {
		return Hello{}, ErrOther
	}
	if len(message) >= 4 {
		size := 4 + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
		if size > Most {
			return Hello{}, ErrOther
		}
		if len(message) >= size {
			return hello(message[4:size])
		}
	}
	if err != nil {
		return Hello{}, err
	}
	return Hello{}, ErrMore
}

// handshake puts the handshake messages of the first records together. The error is of what follows them.
func handshake(b []byte) (message []byte, err error) {
	for {
		if len(b) > 0 && b[0] != recordHandshake || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
			return message, ErrOther
		}
		if len(b) < 5 {
			return message, ErrMore
		}
		size := int(b[3])<<8 + int(b[4])
		if size == 0 || size > mostRecord {
			return message, ErrOther
		}
		if rest := b[5:]; len(rest) < size {
			return append(message, rest...), ErrMore
		}
		message, b = append(message, b[5:5+size]...), b[5+size:]
		if len(b) == 0 {
			return message, ErrMore
		}
	}
}

// hello reads the body of a ClientHello.
func hello(body []byte) (Hello, error) {
	s := cryptobyte.String(body)
	var session, suites, methods, extensions cryptobyte.String
	if !s.Skip(2+32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&methods) ||
		len(session) > 32 || len(suites) == 0 || len(suites)%2 != 0 || len(methods) == 0 {
		return Hello{}, ErrOther
	}
	h := Hello{}
	if s.Empty() {
		return h, nil // old clients have no extensions
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return Hello{}, ErrOther
	}
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
			return Hello{}, ErrOther
		}
		if !h.extension(kind, data) {
			return Hello{}, ErrOther
		}
	}
	return h, nil
}

// extension takes what one of them says. False: it is malformed.
func (h *Hello) extension(kind uint16, data cryptobyte.String) bool {
	var list cryptobyte.String
	switch kind {
	case extName:
		if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || h.Name != "" {
			return false
		}
		for !list.Empty() {
			var of uint8
			var value cryptobyte.String
			if !list.ReadUint8(&of) || !list.ReadUint16LengthPrefixed(&value) {
				return false
			}
			if of == 0 {
				h.Name = name(string(value))
			}
		}
	}
	return true
}
