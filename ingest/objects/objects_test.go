package objects_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/objects"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"
	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"

	"gocloud.dev/blob"
)

// noon is when most of these tests begin.
func noon() time.Time { return time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) }

// A site is a store and a bucket, and what reads the one into the other.
type site struct {
	t         *testing.T
	db        *store.DB
	log       *ingest.Log
	committer *ingest.Committer
	secret    []byte
	bucket    *blob.Bucket
	address   string
	kind      source.Kind
	feed      objects.Feed
	worker    *objects.Worker

	mu  sync.Mutex
	now time.Time
}

// stores are the stores that tests run on.
func stores() map[string]func(t *testing.T) string {
	return map[string]func(t *testing.T) string{
		"s3":        func(t *testing.T) string { return buckettest.Start(t).Bucket(t, "logs") },
		"google":    func(t *testing.T) string { return buckettest.StartGoogle(t).Bucket(t, "logs") },
		"azure":     func(t *testing.T) string { return buckettest.Azure(t) },
		"directory": func(t *testing.T) string { return "file://" + t.TempDir() + "?no_tmp_dir=true" },
	}
}

func newSite(t *testing.T, kind, address string) *site {
	t.Helper()
	engine := enginetest.Start(t).Address()
	db, err := store.Open(t.Context(), store.Options{Addrs: []string{engine.Addr}, Database: enginetest.Database(t), User: engine.User, Password: engine.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	dir := ingest.Dir(t.TempDir())
	s := &site{t: t, db: db, address: address, now: noon()}
	if s.secret, err = dir.Secret(); err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key("exhibit.example/bucket")
	if err != nil {
		t.Fatal(err)
	}
	s.log, err = ingest.OpenLog(t.Context(), ingest.LogOptions{DB: db, Key: key, Path: dir.Ledger(), Now: time.Now, Random: rand.Reader, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	s.committer = ingest.NewCommitter(s.log)
	s.committer.MaxWait = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.committer.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.log.Close(); err != nil {
			t.Error(err)
		}
	})
	kinds := source.Kinds()
	if s.kind, err = source.Lookup(kinds, kind); err != nil {
		t.Fatal(err)
	}
	s.kind = s.kind.FromBucket()
	s.bucket = s.open(address)
	s.feed = objects.Feed{Name: "logs", Kind: s.kind, Bucket: s.bucket, Settle: s.kind.Settle, Every: time.Minute}
	s.restart()
	return s
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (s *site) open(address string) *blob.Bucket {
	s.t.Helper()
	b, err := bucket.Open(s.t.Context(), address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = b.Close() })
	return b
}

// restart makes a new worker: it knows nothing but what the store has.
func (s *site) restart() {
	s.worker = objects.New(objects.Options{Feed: s.feed, DB: s.db, Log: s.log, Committer: s.committer, Secret: s.secret, Now: s.clock, Slog: quiet()})
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// at sets the clock.
func (s *site) at(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

func (s *site) turn() {
	s.t.Helper()
	if err := s.worker.Turn(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) put(key string, content []byte) {
	s.t.Helper()
	if err := s.bucket.WriteAll(s.t.Context(), key, content, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) delete(key string) {
	s.t.Helper()
	if err := s.bucket.Delete(s.t.Context(), key); err != nil {
		s.t.Fatal(err)
	}
}

// counts returns the totals of the source in the ledger, which the audit agrees with.
func (s *site) counts() (total ledger.Batch, objects ledger.Objects) {
	s.t.Helper()
	head := s.log.Head()
	audit, err := ingest.AuditStore(s.t.Context(), s.db, head, time.Now(), func(ledger.SegmentAt) bool { return true }, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range audit.Findings {
		s.t.Errorf("audit: %s", f.What)
	}
	for _, b := range head.State.Batches {
		if b.Source != "logs" {
			continue
		}
		total.Fetched += b.Fetched
		total.Events += b.Events
		total.Duplicates += b.Duplicates
		total.Rejects += b.Rejects
		total.Skipped += b.Skipped
		if b.Objects != nil {
			objects.Count += b.Objects.Count
			objects.Changed += b.Objects.Changed
			objects.Damaged += b.Objects.Damaged
		}
	}
	return total, objects
}

func (s *site) expect(events, duplicates, rejects, objects, changed uint64) {
	s.t.Helper()
	b, o := s.counts()
	if b.Events != events || b.Duplicates != duplicates || b.Rejects != rejects || o.Count != objects || o.Changed != changed {
		s.t.Fatalf("%d events, %d duplicates, %d rejects, %d objects, %d changed; want %d, %d, %d, %d, %d",
			b.Events, b.Duplicates, b.Rejects, o.Count, o.Changed, events, duplicates, rejects, objects, changed)
	}
}

// covered fails the test when the source is covered otherwise than from hour to
// hour, written as 2006-01-02T15.
func (s *site) covered(want ...string) {
	s.t.Helper()
	head := s.log.Head()
	var got []string
	for _, i := range head.State.Coverage("logs", ledger.Read) {
		got = append(got, i.From.Format("2006-01-02T15:04"), i.To.Format("2006-01-02T15:04"))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		s.t.Fatalf("covered is %q, want %q; %s", got, want, s.problem())
	}
}

func (s *site) problem() string { return s.worker.Status().Problem }

func (s *site) wants(state string, words ...string) {
	s.t.Helper()
	status := s.worker.Status()
	for _, w := range words {
		if !strings.Contains(status.Problem, w) {
			s.t.Errorf("the problem %q does not say %q", status.Problem, w)
		}
	}
	if status.State != state || len(words) == 0 && status.Problem != "" {
		s.t.Errorf("the state is %q: %s; want %q", status.State, status.Problem, state)
	}
}

func (s *site) stored() map[string]event.Event {
	s.t.Helper()
	head, found := s.log.Head(), make(map[string]event.Event)
	everything := coverage.Interval{From: time.Unix(0, 0), To: noon().AddDate(50, 0, 0)}
	err := s.db.EachEvent(s.t.Context(), head.Snapshot(), []string{"logs"}, everything, func(_ uint64, e *event.Event) error {
		found[e.ID] = *e
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func gz(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

// call is an event as CloudTrail logs it.
func call(id string, at time.Time, name string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::123456789012:user/ada","userName":"ada","accountId":"123456789012"},`+
		`"eventTime":"%s","eventSource":"iam.amazonaws.com","eventName":"%s","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","eventID":"%s","eventType":"AwsApiCall","recipientAccountId":"123456789012"}`,
		at.Format(time.RFC3339), name, id)
}

func records(calls ...string) string { return `{"Records":[` + strings.Join(calls, ",") + `]}` }

// buckettestAddress returns what makes buckets for several tests, all in one server.
func buckettestAddress(t *testing.T) func(t *testing.T) string {
	server := buckettest.Start(t)
	n := 0
	var mu sync.Mutex
	return func(t *testing.T) string {
		mu.Lock()
		n++
		name := fmt.Sprintf("logs-%d", n)
		mu.Unlock()
		return server.Bucket(t, name)
	}
}

// soak is a number for everyday tests, or the one for EXHIBIT_SOAK.
func soak(handful, many int) int {
	if os.Getenv("EXHIBIT_SOAK") == "" {
		return handful
	}
	return many
}
