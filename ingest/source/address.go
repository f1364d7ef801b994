package source

import (
	"net/netip"
	"strings"
)

// address returns the text of the IP address that s says, or nothing when it says
// none: sources put host names and impossible addresses where one belongs. A port,
// the brackets of an IPv6 address and its zone are left out, and an IPv4 address
// that is written as IPv6 is an IPv4 address.
func address(s string) string {
	s = strings.TrimSpace(s)
	ip, err := netip.ParseAddr(s)
	if err != nil {
		var with netip.AddrPort
		if with, err = netip.ParseAddrPort(s); err == nil {
			ip = with.Addr()
		} else if inside, ok := strings.CutPrefix(s, "["); ok {
			ip, err = netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		}
	}
	if err != nil {
		return ""
	}
	var text [64]byte
	if ip = ip.Unmap().WithZone(""); string(ip.AppendTo(text[:0])) == s {
		return s // shares memory with the record
	}
	return ip.String()
}
