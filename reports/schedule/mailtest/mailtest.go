// Package mailtest is a mail server for tests: a real one, with TLS and AUTH, that
// fails where a test wants it to.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Who may sign in.
const (
	User     = "exhibit"
	Password = "correct horse"
)

// A Mail is one that the server took.
type Mail struct {
	From, To string
	Body     string // as it came
	User     string // who had signed in
	TLS      bool
}

// Faults are what goes wrong. They are asked each time; nil does nothing.
type Faults struct {
	Auth func() error
	Rcpt func(to string) error
	Data func() error // asked when the mail was read whole
	// Drop hangs up after a mail was taken, so that its answer is lost.
	Drop func() bool
}

// A Server is a running mail server on loopback.
type Server struct {
	Host string
	Port int
	CA   []byte // certificate of its authority, PEM

	mu     sync.Mutex // protects what follows
	faults Faults
	mails  []Mail
	bare   bool // the last command had an address without its brackets
	waits  chan struct{}
}

// Options are how a server is.
type Options struct {
	Implicit bool  // TLS from the first byte
	NoTLS    bool  // offers no encryption
	Size     int64 // announced; 0: 10 MiB
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Host: "127.0.0.1", waits: make(chan struct{}, 1000)}
	config := s.certificate(t)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.Domain, server.MaxMessageBytes, server.AllowInsecureAuth = "mail.example.com", 10<<20, o.NoTLS
	server.ErrorLog = silent{}
	server.Debug = commands{s}
	if o.Size > 0 {
		server.MaxMessageBytes = o.Size
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = listener.Addr().(*net.TCPAddr).Port
	switch {
	case o.Implicit:
		listener = tls.NewListener(listener, config)
	case !o.NoTLS:
		server.TLSConfig = config
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s
}

// Roots is a pool with the authority of the server.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	return pool
}

// Fail makes things go wrong from now on.
func (s *Server) Fail(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

func (s *Server) fault() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// Mails returns what was taken, in order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Wait returns the next mail that is taken; it gives up after a minute.
func (s *Server) Wait(t testing.TB) {
	t.Helper()
	select {
	case <-s.waits:
	case <-time.After(time.Minute):
		t.Fatal("no mail came within a minute")
	}
}

func (s *Server) certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

type session struct {
	server         *Server
	conn           *smtp.Conn
	user, from, to string
}

func (c *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if f := c.server.fault().Auth; f != nil {
			if err := f(); err != nil {
				return err
			}
		}
		if user != User || password != Password {
			return smtp.ErrAuthFailed
		}
		c.user = user
		return nil
	}), nil
}

// commands hears what is said. The server takes addresses without brackets, which
// others refuse: RFC 5321, 4.1.2.
type commands struct{ server *Server }

func (c commands) Write(p []byte) (int, error) {
	for _, command := range []string{"MAIL FROM:", "RCPT TO:"} {
		if path, ok := bytes.CutPrefix(p, []byte(command)); ok {
			c.server.mu.Lock()
			c.server.bare = !bytes.HasPrefix(path, []byte("<"))
			c.server.mu.Unlock()
		}
	}
	return len(p), nil
}

// path refuses an address that came without brackets.
func (c *session) path() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.bare {
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "a path is <address>"}
	}
	return nil
}

func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	if err := c.path(); err != nil {
		return err
	}
	if c.user == "" {
		return smtp.ErrAuthRequired
	}
	c.from = from
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.path(); err != nil {
		return err
	}
	if f := c.server.fault().Rcpt; f != nil {
		if err := f(to); err != nil {
			return err
		}
	}
	c.to = to
	return nil
}

func (c *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f := c.server.fault()
	if f.Data != nil {
		if err := f.Data(); err != nil {
			return err
		}
	}
	_, secure := c.conn.TLSConnectionState()
	c.server.mu.Lock()
	c.server.mails = append(c.server.mails, Mail{From: c.from, To: c.to, Body: string(body), User: c.user, TLS: secure})
	c.server.mu.Unlock()
	c.server.waits <- struct{}{}
	if f.Drop != nil && f.Drop() {
		return errors.Join(errors.New("dropped"), c.conn.Conn().Close())
	}
	return nil
}

func (c *session) Reset()        { c.from, c.to = "", "" }
func (c *session) Logout() error { return nil }

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
