package objects_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/objects"
	"exhibit/internal/bucket/buckettest"
	"exhibit/internal/event"
)

// entry is an audit log entry of Scalr.
func entry(n int, at time.Time) string {
	return fmt.Sprintf(`{"actor":{"id":"user-1","email":"ada@example.com","type":"user"},"request":{"action":"create-workspace","id":"req-%d","ip-address":"192.0.2.1"},`+
		`"outcome":{"result":"SUCCESS","status-code":201},"target":{"type":"workspaces","id":"ws-%d"},"timestamp":"%s"}`, n, n, at.Format("2006-01-02T15:04:05.000000"))
}

// Each object is read once, whatever form it has.
func TestObjectForms(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "scalr", address(t))
			at := noon().Add(-time.Hour)
			s.put("array.json", []byte("["+entry(1, at)+",\n "+entry(2, at)+"]"))
			s.put("page.json.gz", gz(`{"events":[`+entry(3, at)+`,`+entry(4, at)+`]}`))
			s.put("lines-without-a-suffix", gz(entry(5, at)+"\n"+entry(6, at)+"\n"))
			s.put("folder/one.json", []byte(entry(7, at)))
			s.put("empty.json.gz", gz(""))
			s.put("nothing.json", nil)
			s.put("bad.json", []byte(entry(8, at)+"\n{not json}\n"))
			for range 3 {
				s.turn()
				s.expect(8, 0, 1, 7, 0)
				s.restart()
			}
			s.put("again.json", []byte(entry(1, at))) // what another object had
			s.turn()
			s.expect(8, 1, 1, 8, 0)
		})
	}
}

// An object that changed after it was read is read again: what is the same is a
// duplicate, what differs is a conflict, and it is shown. The same bytes under a new
// tag are nothing.
func TestObjectChanges(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "scalr", address(t))
			at := noon().Add(-time.Hour)
			s.put("a.json", []byte(entry(1, at)+"\n"+entry(2, at)))
			s.turn()
			s.expect(2, 0, 0, 1, 0)
			changed := strings.Replace(entry(2, at), "SUCCESS", "FAILURE", 1)
			s.put("a.json", []byte(entry(1, at)+"\n"+changed+"\n"+entry(3, at)))
			s.at(noon().Add(time.Minute))
			s.turn()
			s.expect(3, 1, 1, 2, 1)
			s.wants(ingest.Idle, "1 objects changed after they were read")
			if got := s.stored(); len(got) != 3 {
				t.Errorf("%d events are stored", len(got))
			}
			s.restart()
			s.turn()
			s.expect(3, 1, 1, 2, 1)
			s.wants(ingest.Idle, "1 objects changed after they were read")
		})
	}
}

// A damaged object gives what can be read of it and a reject with its bytes, and is
// not read again until somebody puts it right.
func TestDamagedObject(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", buckettestAddress(t)(t))
	var text strings.Builder
	for i := range 3000 {
		text.WriteString(entry(i, noon().Add(-time.Duration(i)*time.Second)) + "\n")
	}
	whole := gz(text.String())
	cut := whole[:len(whole)/2]
	s.put("2026-03-10.json.gz", cut)
	s.turn()
	b, o := s.counts()
	if b.Events < 500 || b.Rejects < 1 || o.Damaged != 1 {
		t.Errorf("of the cut object %d events, %d rejects, %d damaged", b.Events, b.Rejects, o.Damaged)
	}
	s.wants(ingest.Idle, "1 objects are damaged")
	s.restart()
	s.turn()
	if again, _ := s.counts(); again.Events != b.Events || again.Fetched != b.Fetched {
		t.Errorf("it was read again: %+v", again)
	}
	found := false
	head := s.log.Head()
	for _, seg := range head.State.Batches {
		err := s.db.EachBatchReject(t.Context(), seg.Seq, func(r *event.Reject) error {
			found = found || r.Reason == objects.ReasonDamaged && r.Raw == string(cut) && r.SHA256 == sha256.Sum256(cut)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Error("no reject has the bytes of the object")
	}
	s.put("2026-03-10.json.gz", whole)
	s.at(noon().Add(time.Minute))
	s.turn()
	if b, o := s.counts(); b.Events != 3000 || o.Changed != 1 {
		t.Errorf("after it was put right %d events, %d changed", b.Events, o.Changed)
	}
}

// A large object takes the memory of a piece of it, and is one object in the ledger.
func TestLargeObject(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", "file://"+t.TempDir()+"?no_tmp_dir=true")
	const n = 40_000
	var text strings.Builder
	for i := range n {
		text.WriteString(entry(i, noon().Add(-time.Duration(i)*time.Second)) + "\n")
	}
	s.put("large.json", []byte(text.String()))
	s.turn()
	s.expect(n, 0, 0, 1, 0)
}

func TestDenied(t *testing.T) {
	t.Parallel()
	server := buckettest.Start(t)
	s := newSite(t, "scalr", server.Bucket(t, "logs"))
	s.put("a.json", []byte(entry(1, noon())))
	s.feed.Bucket = s.open(server.URL("logs") + "&anonymous=true")
	s.restart()
	if err := s.worker.Turn(t.Context()); err == nil {
		t.Fatal("nobody is refused")
	}
	s.wants(ingest.Rejected, "AccessDenied")
	s.feed.Bucket = s.open(server.URL("another"))
	s.restart()
	if err := s.worker.Turn(t.Context()); err == nil {
		t.Fatal("a bucket that is not there is read")
	}
	s.wants(ingest.Backoff, "NoSuchBucket")
	s.expect(0, 0, 0, 0, 0)
}

// The server stops at any moment: what was read stays, the rest is read when it is
// back, and nothing is double.
func TestServerStops(t *testing.T) {
	t.Parallel()
	server := buckettest.Start(t)
	proxy := newProxy(t, server)
	s := newSite(t, "scalr", server.Bucket(t, "logs"))
	s.feed.Bucket = s.open(proxy.url("logs"))
	const objects, each = 40, 50
	for i := range objects {
		var text strings.Builder
		for j := range each {
			text.WriteString(entry(i*each+j, noon().Add(-time.Duration(i*each+j)*time.Second)) + "\n")
		}
		s.put(fmt.Sprintf("2026/%02d.json", i), []byte(text.String()))
	}
	for _, after := range []int64{1, 3, 12} { // requests until the connection is cut, in the middle of a body
		proxy.left.Store(after)
		s.restart()
		if err := s.worker.Turn(t.Context()); err == nil {
			t.Fatal("nothing failed")
		}
		s.wants(ingest.Backoff, s.problem())
	}
	proxy.left.Store(1 << 40)
	s.turn()
	b, o := s.counts()
	if b.Events != objects*each || o.Count != objects || o.Changed != 0 || b.Rejects != 0 || len(s.stored()) != objects*each {
		t.Errorf("%+v, %+v", b, o)
	}
}

// An object that cannot be read does not keep others from being read.
func TestOneObjectFails(t *testing.T) {
	t.Parallel()
	server := buckettest.Start(t)
	proxy := newProxy(t, server)
	s := newSite(t, "scalr", server.Bucket(t, "logs"))
	s.feed.Bucket = s.open(proxy.url("logs"))
	s.restart()
	for i := range 10 {
		s.put(fmt.Sprintf("%d.json", i), []byte(entry(i, noon())))
	}
	proxy.refuse.Store("/logs/4.json")
	err := s.worker.Turn(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 objects could not be read, the first: 4.json") {
		t.Fatalf("the error is %v", err)
	}
	s.expect(9, 0, 0, 9, 0)
	if err := s.worker.Turn(t.Context()); err == nil {
		t.Error("the object that cannot be read is forgotten")
	}
	proxy.refuse.Store("")
	s.turn()
	s.expect(10, 0, 0, 10, 0)
	s.wants(ingest.Idle)
}

// A proxy stands in front of an S3 server and breaks connections.
type proxy struct {
	server *httptest.Server
	left   atomic.Int64
	refuse atomic.Value // path that is answered with 403
}

func newProxy(t *testing.T, server *buckettest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(server.URL("logs"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := url.Parse(target.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	p := new(proxy)
	p.left.Store(1 << 40)
	p.refuse.Store("")
	reverse := &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0),
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(endpoint); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if p.left.Add(-1) < 0 && r.Request.Method == http.MethodGet {
				r.Body = &torn{r.Body, 20}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == p.refuse.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		reverse.ServeHTTP(w, r)
	}))
	p.server.Config.ErrorLog = nil
	p.server.Config.ConnState = func(net.Conn, http.ConnState) {}
	p.server.Start()
	t.Cleanup(p.server.Close)
	return p
}

func (p *proxy) url(name string) string {
	return "s3://" + name + "?endpoint=" + p.server.URL + "&use_path_style=true&region=us-east-1"
}

// A torn body ends with an error after some bytes.
type torn struct {
	io.ReadCloser
	left int
}

func (b *torn) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errors.New("the line was cut")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Ending the program in the middle of a turn leaves what was committed.
func TestTurnIsCancelled(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", buckettestAddress(t)(t))
	s.put("a.json", []byte(entry(1, noon())))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.worker.Turn(ctx); err == nil {
		t.Error("a turn without a context works")
	}
	s.turn()
	s.expect(1, 0, 0, 1, 0)
}
