package site

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/spool"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/schedule"
	"exhibit/views"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Gauges is what metrics show of the process beside what pages show.
type Gauges struct {
	Version, Commit string
	Queue           func() int             // parcels that the committer has not committed
	Spool           func() spool.Status    // pushed records on disk; nil: nothing is pushed
	Doors           Doors                  // nil: nothing is pushed
	Free            func() (uint64, error) // bytes on the disk of the data directory
	MinFree         uint64                 // with less nothing is taken in
	Log             *slog.Logger
}

// Doors counts what came over HTTP; *push.Handler does.
type Doors interface {
	Answers() []push.Answer
	Counts() []push.Count
}

// Metrics answers scrapes of Prometheus. Labels hold names of sources, of kinds of
// witnesses and of states, and nothing that belongs to a person.
func (s *Site) Metrics(g Gauges) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &scraper{s.Overview.site, g})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(g.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 3})
}

// scrapeTime bounds how long a scrape may take.
const scrapeTime = 20 * time.Second

// A scraper reads everything anew for each scrape.
type scraper struct {
	*site
	Gauges
}

// Describe implements prometheus.Collector: which metrics there are depends on what is
// configured, so that none are announced.
func (s *scraper) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. A part that cannot be read is left out and
// says so.
func (s *scraper) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	m := metrics{out}
	m.gauge("build_info", "Version of the program.", 1, "version", s.Version, "commit", s.Commit)
	m.gauge("committer_queue", "Parcels that wait for the committer.", float64(s.Queue()))
	s.pushed(m)
	for _, part := range []struct {
		name string
		read func(context.Context, metrics) error
	}{{"ledger", s.ledger}, {"sources", s.feeds}, {"schedules", s.schedules}, {"disk", s.disk}} {
		failed := 0.0
		if err := part.read(ctx, m); err != nil {
			s.Log.Error("metrics incomplete", "part", part.name, "error", err)
			failed = 1
		}
		m.gauge("scrape_failed", "1: this part could not be read, so its metrics are missing.", failed, "part", part.name)
	}
}

type metrics struct{ out chan<- prometheus.Metric }

// gauge sends one number. Labels are names and values in turn.
func (m metrics) gauge(name, help string, value float64, labels ...string) {
	m.send(prometheus.GaugeValue, name, help, value, labels)
}

// counter sends a number that only grows until the process ends.
func (m metrics) counter(name, help string, value uint64, labels ...string) {
	m.send(prometheus.CounterValue, name+"_total", help, float64(value), labels)
}

func (m metrics) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc := prometheus.NewDesc("exhibit_"+name, help, names, nil)
	m.out <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

// instant sends a time in seconds since 1970, and nothing for none.
func (m metrics) instant(name, help string, t time.Time, labels ...string) {
	if !t.IsZero() {
		m.gauge(name+"_timestamp_seconds", help, float64(t.UnixNano())/1e9, labels...)
	}
}

// pushed sends what came over HTTP and what waits in the spool. Doors, classes of status,
// sources and outcomes are few, whatever senders send.
func (s *scraper) pushed(m metrics) {
	if s.Doors != nil {
		for _, a := range s.Doors.Answers() {
			m.counter("push_requests", "Requests of senders, by door and class of the answer's status.", a.N, "door", a.Door, "status", strconv.Itoa(a.Class)+"xx")
		}
		for _, c := range s.Doors.Counts() {
			switch c.Outcome {
			case push.Accepted:
				m.counter("push_records", "Records that were answered to be kept.", c.N, "source", c.Source)
			case push.Heartbeat:
				m.counter("push_heartbeats", "Requests without records.", c.N, "source", c.Source)
			default:
				m.counter("push_refusals", "Requests, or records of one, that were not taken, by reason. No source: who sent is not known.", c.N, "source", c.Source, "reason", string(c.Outcome))
			}
		}
	}
	if s.Spool == nil {
		return
	}
	box := s.Spool()
	m.gauge("spool_bytes", "Pushed records on disk that are not committed.", float64(box.Used))
	m.gauge("spool_max_bytes", "How many there may be.", float64(box.Max))
	m.gauge("spool_records", "Pushed records that are not committed.", float64(box.Waiting))
	m.gauge("spool_full", "1: there is no room, and senders are told to wait.", number(!box.Full.IsZero()))
	m.instant("spool_full_since", "Since when there is no room.", box.Full)
	if box.Left > 0 {
		m.gauge("spool_full_in_seconds", "When the spool is full, as it fills now. Missing while it does not fill.", box.Left.Seconds())
	}
	if box.Lasts > 0 {
		m.gauge("spool_lasts_seconds", "For how long the spool would take in what comes now if nothing could be stored.", box.Lasts.Seconds())
	}
	if box.Empties > 0 {
		m.gauge("spool_empty_in_seconds", "When all is stored, as it empties now.", box.Empties.Seconds())
	}
}

func (s *scraper) ledger(ctx context.Context, m metrics) error {
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return err
	}
	m.gauge("ledger_records", "Records in the ledger.", float64(head.State.Size))
	m.instant("checkpoint", "When the newest checkpoint was signed.", head.State.At)
	if head.State.Size > 0 {
		m.gauge("checkpoint_age_seconds", "How old the newest checkpoint is.", s.Now().Sub(head.State.At).Seconds())
	}
	outside, err := s.outside(ctx)
	if err != nil {
		return err
	}
	last := map[string]time.Time{}
	for _, w := range outside.Witnesses { // by kind: the names of some have addresses in them
		if reports.Counts(w) && !w.Last.Before(last[w.Kind]) {
			last[w.Kind] = w.Last
		}
	}
	m.gauge("witnesses", "Witnesses that count.", float64(len(witnessesThatCount(outside.Witnesses))))
	for kind, at := range last {
		m.instant("witness_last_checkpoint", "When a witness of the kind was last given a checkpoint.", at, "kind", kind)
	}
	if outside.Audit != nil {
		m.instant("audit", "When stored events were last compared with the ledger.", outside.Audit.At)
		m.gauge("audit_segments", "Segments that the last audit compared.", float64(outside.Audit.Segments))
		m.gauge("audit_altered", "Differences that the last audit found.", float64(outside.Audit.Altered))
	}
	return nil
}

func witnessesThatCount(list []pack.Witness) (out []pack.Witness) {
	for _, w := range list {
		if reports.Counts(w) {
			out = append(out, w)
		}
	}
	return out
}

// feeds sends how each source is doing, over all the time that is required of it.
func (s *scraper) feeds(ctx context.Context, m metrics) error {
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return err
	}
	now, health := s.Now(), s.health(ctx)
	state := withUncommitted(head.State, health)
	window := coverage.Interval{From: now, To: now}
	names := s.sources(&state)
	for _, name := range names {
		if since, ok := state.Since(name); ok && since.Before(window.From) {
			window.From = since
		}
	}
	look := reports.LookAt(&state, names, window, now, nil)
	for _, source := range look.Coverage.Sources {
		name := source.Source.Name
		h := healthOf(health, name)
		for _, one := range []views.Health{views.OK, views.Reading, views.BackingOff, views.TokenRejected, views.Stopped, views.Unheard, views.Alarm, views.Waiting, views.ImportOnly} {
			m.gauge("source_state", "1 for the state that the source is in.", number(h.State == one), "source", name, "state", string(one))
		}
		m.instant("source_last_read", "When the source was last read to its end, or heard.", h.LastRead, "source", name)
		gaps := map[string]time.Duration{"recoverable": 0, "lost": 0, "backfilling": 0}
		var missing time.Duration
		for _, span := range source.Spans {
			if key, ok := gapNames()[span.State]; ok {
				gaps[key] += span.Length()
				missing += span.Length()
			}
		}
		for key, length := range gaps {
			m.gauge("coverage_gap_seconds", "Required time that is not collected.", length.Seconds(), "source", name, "state", key)
		}
		m.gauge("source_missing_seconds", "Required time that is not collected, in all.", missing.Seconds(), "source", name)
		counts, _, _ := look.Counts(name)
		m.gauge("source_events", "Events in the ledger.", float64(counts.Events), "source", name)
		m.gauge("source_rejects", "Records that could not become events.", float64(counts.Rejects), "source", name)
	}
	return nil
}

func gapNames() map[string]string {
	return map[string]string{ledger.Recoverable: "recoverable", ledger.Lost: "lost", ledger.Backfilling: "backfilling"}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s *scraper) schedules(ctx context.Context, m metrics) error {
	if s.Mail == nil {
		return nil
	}
	h, err := schedule.Look(ctx, s.Mail.Desk.Records, s.Now())
	if err != nil {
		return err
	}
	for state, n := range h.Deliveries {
		m.gauge("deliveries", "Mails and packs of the last 35 days by what became of them: failed and deferred ones need a look.", float64(n), "state", string(state))
	}
	m.gauge("schedule_runs_late", "Periods that should have been made by now and are not.", float64(h.Late))
	return nil
}

func (s *scraper) disk(ctx context.Context, m metrics) error {
	store, err := s.DB.Free(ctx)
	if err == nil {
		m.gauge("disk_free_bytes", "Space left.", float64(store), "disk", "store")
	}
	data, other := s.Free()
	if other == nil {
		m.gauge("disk_free_bytes", "Space left.", float64(data), "disk", "data")
	}
	m.gauge("disk_min_free_bytes", "With less space nothing is taken in.", float64(s.MinFree))
	return errors.Join(err, other)
}
