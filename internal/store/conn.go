package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// dialer returns how connections are made.
func dialer(o Options) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		raw, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		conn := &conn{TCPConn: raw.(*net.TCPConn), timeout: o.Timeout}
		if o.TLS == nil {
			return conn, nil
		}
		config := o.TLS.Clone()
		if config.ServerName == "" {
			if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS with %s: %w", addr, err), conn.Close())
		}
		return secure, nil
	}
}

// A conn gives every single read and write its time. The driver gives it to a
// whole answer, which ends a long one that is still coming, and to no write at
// all, which lets a server that takes nothing hold a statement for ever. A server
// that works on a statement says so many times a second.
type conn struct {
	*net.TCPConn
	timeout time.Duration

	mu    sync.Mutex
	until time.Time // set by the driver from a context; zero: none
}

var _ syscall.Conn = (*conn)(nil) // by which the driver sees that an idle connection was closed

func (c *conn) deadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := time.Now().Add(c.timeout)
	if !c.until.IsZero() && c.until.Before(next) {
		return c.until
	}
	return next
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.TCPConn.SetReadDeadline(c.deadline()); err != nil {
		return 0, err
	}
	return c.TCPConn.Read(p)
}

// Write writes in pieces, so that a large block over a slow line has its time too.
func (c *conn) Write(p []byte) (n int, err error) {
	const piece = 1 << 20
	for err == nil && n < len(p) {
		if err = c.TCPConn.SetWriteDeadline(c.deadline()); err != nil {
			return n, err
		}
		var wrote int
		wrote, err = c.TCPConn.Write(p[n:min(n+piece, len(p))])
		n += wrote
	}
	return n, err
}

// SetDeadline takes the deadline of a context; zero: no more.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.until = t
	c.mu.Unlock()
	return c.TCPConn.SetDeadline(t)
}

// SetReadDeadline is how the driver begins and ends an answer. Only the end is of
// interest: the connection waits in the pool without a deadline.
func (c *conn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		return nil
	}
	return c.TCPConn.SetReadDeadline(t)
}
