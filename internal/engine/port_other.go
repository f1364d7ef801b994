//go:build !linux

package engine

import (
	"net"
	"os"
)

// reusePort is false: there is no reservation to share the port with.
const reusePort = false

// reservePort finds a free loopback port. Elsewhere than on Linux
// a bound socket that does not listen may swallow the connections of one that
// does, so the port is not held (held is nil).
func reservePort() (port int, held *os.File, err error) {
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, nil, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil, nil
}
