// Package push takes events that other systems send over HTTP. Each protocol that
// they speak is a door: lines or arrays of JSON and Amazon EventBridge
// (/ingest/SOURCE), Splunk's HTTP Event Collector (/services/collector), OpenTelemetry
// (/v1/logs) and Datadog's intake (/api/v2/logs).
//
//	request → token → body within limits → records, byte for byte → spool → answer
//
// A door answers that it has something only when that is on disk. What it cannot make
// sense of is kept too, as it came, and becomes a reject: senders drop what they are
// told to be malformed. Who has no token is refused before the body is read.
package push

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/ingest/token"

	"golang.org/x/sync/semaphore"
)

// A Spool keeps records until they are committed; *spool.Spool is one.
type Spool interface {
	Append(ctx context.Context, name string, records []source.Record) (mark uint64, err error)
	Committed() uint64
	Refused(name string)
	Status() spool.Status
}

// Tokens knows who may send; *token.Keeper does. from is the address of the sender.
type Tokens interface {
	Check(text, from string) (token.Token, error)
}

// Options are the parts of a Handler. Spool, Tokens, Sources, Now and Log are needed.
type Options struct {
	Spool   Spool
	Tokens  Tokens
	Sources map[string]source.Kind // that may be sent to, by name
	Proxies []netip.Prefix         // networks whose X-Forwarded-For is believed
	Limits  Limits
	Now     func() time.Time
	Log     *slog.Logger
}

// Limits bounds what a sender can draw out. Zero fields have defaults.
type Limits struct {
	Packed  int64         // bytes of a body as it comes; 32 MiB
	Plain   int64         // bytes of a body uncompressed; 64 MiB, as OTLP advises
	Ratio   int64         // how many times itself a body may become beyond 16 MiB; 1,000
	Records int           // in one request; 100,000
	Held    int64         // bytes of all bodies that are held at the same time, a quarter of them by one source; 512 MiB
	Read    time.Duration // for sending a body; 1 min
	Wait    time.Duration // for memory and disk together: EventBridge gives up after 5 s; 4 s
	Acks    int           // channels of the HTTP Event Collector that are remembered for a token; 256
}

func (l Limits) complete() Limits {
	def := func(n *int64, value int64) {
		if *n == 0 {
			*n = value
		}
	}
	def(&l.Packed, 32<<20)
	def(&l.Plain, 64<<20)
	def(&l.Ratio, 1000)
	def(&l.Held, 512<<20)
	if l.Records == 0 {
		l.Records = 100_000
	}
	if l.Read == 0 {
		l.Read = time.Minute
	}
	if l.Wait == 0 {
		l.Wait = 4 * time.Second
	}
	if l.Acks == 0 {
		l.Acks = 256
	}
	return l
}

// share is what one source may hold: the largest body that is allowed fits in, and no
// single sender keeps the others out.
func (l Limits) share() int64 { return l.Held / 4 }

// A Handler is all doors.
type Handler struct {
	Options
	mux      *http.ServeMux
	held     *semaphore.Weighted
	shares   map[string]*semaphore.Weighted // of held, by source
	refusals *refusals
	acks     *acks
	counts   counts
	answers  answers
}

// New returns the doors.
func New(o Options) *Handler {
	o.Limits = o.Limits.complete()
	h := &Handler{Options: o, mux: http.NewServeMux(), held: semaphore.NewWeighted(o.Limits.Held), refusals: newRefusals(o.Now), acks: newAcks(o.Limits.Acks, o.Now),
		shares: make(map[string]*semaphore.Weighted, len(o.Sources))}
	for name := range o.Sources {
		h.shares[name] = semaphore.NewWeighted(o.Limits.share())
	}
	for path, d := range map[string]door{
		"/ingest/{source}": {"ingest", h.takeIngest, refuseIngest},
		// Splunk's paths with and without the version of the protocol.
		"/services/collector":           {"hec", h.takeHEC, refuseHEC},
		"/services/collector/{$}":       {"hec", h.takeHEC, refuseHEC},
		"/services/collector/event":     {"hec", h.takeHEC, refuseHEC},
		"/services/collector/event/1.0": {"hec", h.takeHEC, refuseHEC},
		"/services/collector/raw":       {"hec", h.takeHECRaw, refuseHEC},
		"/services/collector/raw/1.0":   {"hec", h.takeHECRaw, refuseHEC},
		"/services/collector/ack":       {"hec", h.takeHECAck, refuseHEC},
		"/services/collector/ack/1.0":   {"hec", h.takeHECAck, refuseHEC},
		"/v1/logs":                      {"otlp", h.takeOTLP, refuseOTLP},
		"/ingest/{source}/v1/logs":      {"otlp", h.takeOTLP, refuseOTLP},
		"/api/v2/logs":                  {"datadog", h.takeDatadog, refuseDatadog},
		"/api/v1/input":                 {"datadog", h.takeDatadog, refuseDatadog},
		"/v1/input":                     {"datadog", h.takeDatadog, refuseDatadog},
	} {
		h.mux.HandleFunc("POST "+path, h.serve(d))
	}
	h.mux.HandleFunc("GET /ingest/{source}", h.serveChallenge)
	h.mux.HandleFunc("GET /services/collector/health", h.serveHECHealth)
	h.mux.HandleFunc("GET /services/collector/health/1.0", h.serveHECHealth)
	return h
}

// Owns reports whether a path is one of a door: such requests have tokens and no
// sessions, and are not for the pages.
func Owns(path string) bool {
	for _, root := range []string{"/ingest", "/services/collector", "/v1/logs", "/v1/input", "/api/v1/input", "/api/v2/logs"} {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// ServeHTTP makes Handler an http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

// A sender is who was let in.
type sender struct {
	source string
	kind   source.Kind
	token  string // id
}

// A door takes the body of a sender and answers, or says what is wrong with it.
// refuse answers in the words of the protocol.
type door struct {
	name   string // for the counts
	take   func(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault
	refuse func(w http.ResponseWriter, r *http.Request, f *fault)
}

// writeTime is how long a sender may take for reading the answer.
const writeTime = 30 * time.Second

func (h *Handler) serve(d door) http.HandlerFunc {
	return func(to http.ResponseWriter, r *http.Request) {
		w := &watched{to, http.StatusOK}
		defer func() { h.answers.add(d.name, w.status) }()
		who, f := h.admit(r)
		if f != nil {
			h.refuse(w, r, d, who, f)
			return
		}
		control := http.NewResponseController(w)
		// Writers that have no deadlines are those of tests.
		_ = control.SetReadDeadline(time.Now().Add(h.Limits.Read))
		_ = control.SetWriteDeadline(time.Now().Add(h.Limits.Read + h.Limits.Wait + writeTime))
		m := h.meter(r.Context(), who.source)
		defer m.release()
		b, f := h.read(w, r, m)
		if f == nil {
			f = d.take(w, r, who, b)
		}
		if f != nil {
			h.refuse(w, r, d, who, f)
		}
	}
}

// refuse answers a request that is not taken, or not all of it, and says so in the log.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, d door, who sender, f *fault) {
	if f.retry > 0 {
		w.Header().Set("Retry-After", seconds(f.retry))
	}
	h.counts.add(who.source, f.why, 1)
	if gone := f.why == whyCut && r.Context().Err() != nil; who.source != "" && !f.kept && !gone {
		// Nobody can say any more that all came that was sent. Who has gone has no answer,
		// and sends again as after any other trouble of the network.
		h.Spool.Refused(who.source)
	}
	log := h.Log.Warn
	if !h.refusals.loud(who.source + " " + string(f.why)) {
		log = h.Log.Debug
	}
	log("pushed request refused", "path", r.URL.Path, "source", who.source, "token", who.token, "from", h.from(r), "status", f.status, "why", f.why, "error", f.cause)
	d.refuse(w, r, f)
}

// keep puts what a body was cut into on disk; none is a heartbeat. With err it was not
// cut to its end, and nothing of it is kept.
func (h *Handler) keep(who sender, cut *batch, err error) (mark uint64, f *fault) {
	if err != nil {
		return 0, h.readFault(err)
	}
	m := cut.body.meter
	ctx, cancel := context.WithTimeout(m.ctx, m.left)
	defer cancel()
	mark, err = h.Spool.Append(ctx, who.source, cut.records)
	if err != nil {
		return 0, spoolFault(err)
	}
	if len(cut.records) == 0 {
		h.counts.add(who.source, Heartbeat, 1)
	}
	h.counts.add(who.source, Accepted, uint64(len(cut.records)))
	return mark, nil
}
