package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A Guard says who may ask. The zero value is for a unix socket, which only its owner can open: no browser may.
type Guard struct {
	Token       string         // on TCP; empty on a unix socket, where none is needed
	Address     netip.AddrPort // on which TCP is listened
	Hosts       []string       // other names by which it may be called
	OpenMetrics bool           // the metrics need no token
}

// changeHeader must stand in every request that changes something: no form and no link of another page can send it.
const changeHeader = "X-Rouse"

// guard lets only those requests through that may be answered.
func (g Guard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if status, text := g.judge(r); status != 0 {
			if status == http.StatusUnauthorized {
				h.Set("WWW-Authenticate", `Bearer realm="rouse"`)
			}
			answer(w, status, failure{text})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// judge says why a request is not answered; 0: it is.
func (g Guard) judge(r *http.Request) (status int, text string) {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case strings.Contains(r.URL.Path, "..") || strings.Contains(r.URL.Path, "//") || strings.Contains(r.URL.Path, "\x00"):
		return http.StatusBadRequest, "this is no path of this rouse"
	case !g.knows(r.Host):
		return http.StatusMisdirectedRequest, "this rouse is not called that: use its address, or list the name below admin: hosts:"
	case !g.sameOrigin(r):
		return http.StatusForbidden, "pages of others may not ask this rouse"
	case !safe && r.Method != http.MethodPost && r.Method != http.MethodDelete:
		return http.StatusMethodNotAllowed, "there is no such method here"
	case g.Token != "" && !g.open(r) && !g.carries(r):
		return http.StatusUnauthorized, "the token is missing or wrong: send Authorization: Bearer TOKEN; rouse dashboard prints it"
	case !safe && r.Header.Get(changeHeader) == "":
		return http.StatusForbidden, "a request that changes something needs the header " + changeHeader + ": 1"
	case !safe && r.ContentLength != 0 && !isJSON(r.Header.Get("Content-Type")):
		return http.StatusUnsupportedMediaType, "the body has to be JSON, with Content-Type: application/json"
	case r.ContentLength > mostBody:
		return http.StatusRequestEntityTooLarge, "the request is too large"
	}
	return 0, ""
}

// open says whether a request needs no token: the page itself, which holds nothing, and the metrics if they are open.
func (g Guard) open(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != metricsPath || g.OpenMetrics && r.URL.Path == metricsPath
}

// carries compares digests: neither the length of the token nor how much of it is right can be told from the time that it takes.
func (g Guard) carries(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(g.Token)), sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// knows says whether a name is one by which this rouse may be called. A page whose name leads here all of a sudden (DNS rebinding) calls it
// by its own.
func (g Guard) knows(host string) bool {
	if !g.Address.IsValid() {
		return true // a unix socket has no name
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if ip, err := netip.ParseAddr(name); err == nil {
		own := g.Address.Addr()
		return own.IsUnspecified() || ip.Unmap() == own.Unmap() || slices.Contains(g.Hosts, name)
	}
	local := g.Address.Addr().IsLoopback() || g.Address.Addr().IsUnspecified()
	return name == "localhost" && local || slices.Contains(g.Hosts, name)
}

// sameOrigin says whether a request comes from rouse's own page, or from no page at all.
func (g Guard) sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	return g.Address.IsValid() && len(origins) == 1 && (origins[0] == "http://"+r.Host || origins[0] == "https://"+r.Host)
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/json"
}
