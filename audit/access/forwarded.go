package access

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many addresses of a forwarded header are looked at.
const maxHops = 20

// How the address of a request is known.
const (
	fromPeer      = "peer"
	fromForwarded = "forwarded"
	fromMalformed = "malformed"
)

// proxies says which forwarded addresses are believed.
type proxies struct {
	header  string // canonical; "" believes none
	trusted []netip.Prefix
}

// origin returns the address that a request comes from. Each proxy appends the
// address it was asked from, so the list is read from its end as long as the one
// that wrote an entry is trusted; what stands before that anybody can write.
func (p *proxies) origin(peer netip.Addr, h http.Header) (netip.Addr, string) {
	if p.header == "" || !p.trusts(peer) {
		return peer, fromPeer
	}
	lines := h[p.header]
	if len(lines) == 0 {
		return peer, fromPeer
	}
	at, from := peer, fromPeer
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var hop string
			rest, hop, more = lastHop(rest)
			if hops++; hops > maxHops {
				return at, from
			}
			addr, ok := p.parse(hop)
			if !ok {
				return at, fromMalformed
			}
			at, from = addr, fromForwarded
			if !p.trusts(addr) {
				return at, from
			}
		}
	}
	return at, from
}

// lastHop cuts the last element off a list; commas in quotes do not count. It reads
// from the end, so that a quote that somebody opened in front hides nothing that a
// proxy appended.
func lastHop(list string) (rest, hop string, more bool) {
	i := cutQuoted(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// cutQuoted returns where the last separator stands that is not in quotes, or -1.
func cutQuoted(s string, separator byte) int {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case '"':
			if !escaped(s[:i]) {
				quoted = !quoted
			}
		case separator:
			if !quoted {
				return i
			}
		}
	}
	return -1
}

// escaped reports whether what follows s stands behind a backslash that counts.
func escaped(s string) bool { return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1 }

func (p *proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p.trusted {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// parse reads one element: an address, with or without a port, or with
// "Forwarded" (RFC 7239) its parameter "for".
func (p *proxies) parse(hop string) (netip.Addr, bool) {
	if p.header == "Forwarded" {
		var ok bool
		if hop, ok = forParameter(hop); !ok {
			return netip.Addr{}, false
		}
	}
	return address(strings.TrimSpace(hop))
}

// forParameter returns the parameter "for" of an element, which must have it once.
// Other parameters may hold what whoever asked made up: a Host in quotes may look
// like one.
func forParameter(element string) (value string, ok bool) {
	for more := true; more; {
		pair := element
		if i := cutQuoted(element, ';'); i >= 0 {
			element, pair = element[:i], element[i+1:]
		} else {
			more = false
		}
		name, v, set := strings.Cut(strings.TrimSpace(pair), "=")
		if !set || !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if ok {
			return "", false
		}
		value, ok = strings.Trim(strings.TrimSpace(v), `"`), true
	}
	return value, ok
}

// address reads an address as it may stand in a header or in RemoteAddr, and
// gives it one form: IPv4 as such, and without a zone.
func address(s string) (netip.Addr, bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// peer is the address in RemoteAddr, where it has a port; a connection without an
// address has none.
func peer(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, _ := address(s)
	return a
}
