package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
)

// A Handoff takes work from other processes on the same data directory: there is
// one writer, and who finds it at work hands over what it wants written. It is HTTP
// on a socket that only the owner of the directory can open. What comes from there
// is believed: that owner can read the signing key too.
type Handoff struct {
	Committer *Committer
	Log       *Log
	Diary     *Diary
	Tokens    Tokens
	Kinds     source.Catalog
	Secret    []byte
	Now       func() time.Time
	Slog      *slog.Logger
}

// Serve takes work until the context ends.
func (h *Handoff) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /import", h.takeImport)
	mux.HandleFunc("POST /act", h.takeAct)
	mux.HandleFunc("POST /note", h.takeNote)
	mux.HandleFunc("POST /redrive", h.takeRedrive)
	mux.HandleFunc("POST /token", h.takeToken)
	mux.HandleFunc("POST /token/revoke", h.takeRevocation)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(h.Slog.Handler(), slog.LevelWarn)}
	stop := context.AfterFunc(ctx, func() {
		// Whoever hands over just now sees the connection close and says so.
		if err := server.Close(); err != nil {
			h.Slog.Warn("close socket", "error", err)
		}
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ingest: socket: %w", err)
	}
	return nil
}

// A handoffLine is one line of the answer to an import.
type handoffLine struct {
	Bytes  int64         `json:"bytes,omitempty"`
	Result *ImportResult `json:"result,omitempty"`
	Error  string        `json:"error,omitempty"`
}

func (h *Handoff) takeImport(w http.ResponseWriter, r *http.Request) {
	im, err := h.parseImport(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	control := http.NewResponseController(w)
	// Without this the server would read the whole body before it answers.
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// An import that fails leaves the rest of its file unread, so nothing can follow
	// on this connection.
	w.Header().Set("Connection", "close")
	out := json.NewEncoder(w)
	say := func(line handoffLine) {
		// The other end has gone when this fails; the import ends with its body.
		if err := errors.Join(out.Encode(line), control.Flush()); err != nil {
			h.Slog.Warn("import: nobody listens any more", "error", err)
		}
	}
	last := time.Time{}
	im.Progress = func(n int64) {
		if now := h.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			say(handoffLine{Bytes: n})
		}
	}
	result, err := ImportInto(r.Context(), h.Log, h.Committer, h.Diary, r.Body, im)
	line := handoffLine{Result: &result}
	if err != nil {
		line.Error = err.Error()
	}
	say(line)
}

func (h *Handoff) parseImport(q url.Values) (Import, error) {
	kind, err := ChooseKind(h.Log, h.Kinds, q.Get("source"), q.Get("kind"))
	if err != nil {
		return Import{}, err
	}
	im := Import{Source: q.Get("source"), Kind: kind, Secret: h.Secret, Name: q.Get("name"), By: q.Get("by"), Now: h.Now}
	if q.Get("from") == "" {
		return im, nil
	}
	im.Covers = new(coverage.Interval)
	for name, to := range map[string]*time.Time{"from": &im.Covers.From, "to": &im.Covers.To} {
		if *to, err = time.Parse(time.RFC3339Nano, q.Get(name)); err != nil {
			return Import{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return im, nil
}

func (h *Handoff) takeAct(w http.ResponseWriter, r *http.Request) {
	var act source.Act
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&act)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := h.Diary.Write(r.Context(), act); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// ChooseKind returns the kind of a source: the one that the ledger knows it by, or
// the one that is asked for when the source is new.
func ChooseKind(log *Log, kinds source.Catalog, name, asked string) (source.Kind, error) {
	head := log.Head()
	for _, s := range head.State.Latest() {
		if s.Name != name {
			continue
		}
		if asked != "" && asked != s.Kind {
			return source.Kind{}, fmt.Errorf("source %s is of kind %s, not %s; a source's kind is permanent: use another name", name, s.Kind, asked)
		}
		return kinds.Of(name, s.Kind)
	}
	if asked == "" {
		return source.Kind{}, fmt.Errorf("there is no source %q yet: name its kind with --kind, or add it to the configuration", name)
	}
	return kinds.Of(name, asked)
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckSourceName refuses what a source must not be called: a name is permanent and
// stands in addresses and files, and nobody but Exhibit writes its own events.
func CheckSourceName(name string) error {
	switch {
	case name == "":
		return errors.New("the source has no name")
	case !sourceName.MatchString(name):
		return fmt.Errorf("source %q: its name must be up to 63 small letters, digits, dots, dashes and underscores", name)
	case name == source.Own:
		return fmt.Errorf("source %q: this name is Exhibit's own", name)
	}
	return nil
}

// ImportInto brings a file into a source, which becomes one when it is new, and
// writes in the diary who did it.
func ImportInto(ctx context.Context, log *Log, c *Committer, diary *Diary, file io.Reader, im Import) (ImportResult, error) {
	if err := CheckSourceName(im.Source); err != nil {
		return ImportResult{}, fmt.Errorf("import %s: %w", im.Name, err)
	}
	if im.Covers != nil && im.Covers.Empty() {
		return ImportResult{}, fmt.Errorf("import %s: the stated period ends at %s, before it begins", im.Name, im.Covers.To.Format(time.RFC3339))
	}
	if im.Covers != nil && im.Covers.To.After(im.Now()) {
		return ImportResult{}, fmt.Errorf("import %s: the stated period ends at %s, which has not come yet", im.Name, im.Covers.To.Format(time.RFC3339))
	}
	head := log.Head()
	if _, known := head.State.First(im.Source); !known {
		d := Declaration{Name: im.Source, Kind: im.Kind, Pushed: true}
		if im.Covers != nil {
			d.Since = im.Covers.From
		}
		if err := log.Declare(ctx, []Declaration{d}, true); err != nil {
			return ImportResult{}, err
		}
	}
	result, err := c.Import(ctx, file, im)
	act := source.Act{Action: "import", Outcome: "success", Actor: source.Party{Type: "user", Name: im.By},
		Target: source.Party{Type: "source", ID: im.Source, Name: im.Name}, Reason: summary(result)}
	if err != nil {
		act.Outcome, act.Reason = "failure", act.Reason+"; "+err.Error()
	}
	return result, errors.Join(err, diary.Write(ctx, act))
}

func summary(r ImportResult) string {
	return fmt.Sprintf("%d records: %d events, %d duplicates, %d skipped, %d rejects; sha256 %s", r.Fetched, r.Events, r.Duplicates, r.Skipped, r.Rejects, r.SHA256)
}

// A RunningWriter hands work to the process that writes with a data directory.
type RunningWriter struct{ client *http.Client }

// Writer returns the running writer of the directory.
func (d Dir) Writer() (*RunningWriter, error) {
	path, err := filepath.Abs(d.Socket())
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ingest: %w; it takes no work from others: stop it, or wait until it ends", ErrLocked)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &RunningWriter{&http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Import has the running writer import a file.
func (w *RunningWriter) Import(ctx context.Context, file io.Reader, im Import, kind string) (ImportResult, error) {
	q := url.Values{"source": {im.Source}, "kind": {kind}, "name": {im.Name}, "by": {im.By}}
	if im.Covers != nil {
		q.Set("from", im.Covers.From.Format(time.RFC3339Nano))
		q.Set("to", im.Covers.To.Format(time.RFC3339Nano))
	}
	resp, err := w.post(ctx, "/import?"+q.Encode(), file)
	if err != nil {
		return ImportResult{}, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line handoffLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return ImportResult{}, fmt.Errorf("ingest: answer of the running writer: %w", err)
		}
		if line.Result != nil {
			if line.Error != "" {
				return *line.Result, errors.New(line.Error)
			}
			return *line.Result, nil
		}
		if im.Progress != nil {
			im.Progress(line.Bytes)
		}
	}
	return ImportResult{}, errors.Join(errors.New("ingest: the running writer ended in the middle of the import; import the file again, nothing comes twice"), lines.Err())
}

// Write has the running writer keep an act.
func (w *RunningWriter) Write(ctx context.Context, act source.Act) error {
	if act.ID == "" {
		act.ID = rand.Text()
	}
	raw, err := clean(act).Raw()
	if err != nil {
		return err
	}
	resp, err := w.post(ctx, "/act", bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (w *RunningWriter) post(ctx context.Context, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://writer"+path, body)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ingest: hand over to the running writer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return nil, errors.Join(fmt.Errorf("the running writer refused: %s", text), err)
	}
	return resp, nil
}
