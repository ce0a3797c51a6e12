package outbound

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
)

// specialUse are the ranges of RFC 6890 and its updates, which are nobody's
// public server (NW-02). IPv6 outside 2000::/3 is refused without being listed.
var specialUse = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

var globalIPv6 = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Public reports whether an address is that of a host on the public Internet.
// An IPv4 address inside an IPv6 one is judged as what it is.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	return !within(specialUse, a)
}

func within(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// public is a net.Dialer's control: it sees the address that is about to be
// connected to, after name resolution.
func (c *Client) public(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !Public(ap.Addr()) || within(c.cfg.Deny, ap.Addr().Unmap()) {
		return failure(ErrRefused, errors.New("address "+address+" is not public"))
	}
	return nil
}

// loopbackOnly is the control for literal loopback addresses in development.
func loopbackOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().Unmap().IsLoopback() {
		return failure(ErrRefused, errors.New("address "+address+" is not loopback"))
	}
	return nil
}

// literalLoopback reports whether a URL's host is a loopback address, spelled
// out.
func literalLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}

func portName(p int) string { return strconv.Itoa(p) }
