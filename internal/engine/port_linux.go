package engine

import (
	"os"

	"golang.org/x/sys/unix"
)

// reusePort tells ClickHouse to share its port with the reservation.
const reusePort = true

// reservePort binds a free loopback port without listening on it,
// for as long as the returned file is open. With SO_REUSEPORT, and without
// SO_REUSEADDR, the kernel lets only sockets of the same user bind it too:
// while a child is being restarted, nobody else can take its place and collect
// the password that clients send.
func reservePort() (port int, held *os.File, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, err
	}
	f := os.NewFile(uintptr(fd), "reserved port")
	if port, err = bindShared(fd); err != nil {
		f.Close()
		return 0, nil, err
	}
	return port, f, nil
}

func bindShared(fd int) (port int, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return name.(*unix.SockaddrInet4).Port, nil // as bound
}
