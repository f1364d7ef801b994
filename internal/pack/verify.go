package pack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/sync/errgroup"
)

// Options are what a verifier brings along.
type Options struct {
	// Key is the verifier key that was handed over another way; several of them,
	// one per line, are trusted alike.
	Key string
	// Since holds older checkpoints of the log: signed notes, or their text.
	Since []string
	// Progress is called now and then with how many bytes have been read, one call
	// at a time; may be nil.
	Progress func(done, total uint64)
}

// Verify checks a pack. The error is about reading it or about the options; what
// is wrong with the pack is in the Result.
func Verify(ctx context.Context, in io.ReaderAt, size int64, o Options) (*Result, error) {
	keys, err := parseKeys(o.Key)
	if err != nil {
		return nil, err
	}
	held, err := parseHeld(o.Since)
	if err != nil {
		return nil, err
	}
	c, found, err := openContainer(in, size)
	if err != nil {
		return nil, err
	}
	c.meter.tell = o.Progress
	v := &verifier{c: c, keys: keys, held: held, hashed: map[string]File{}, long: make(chan struct{}, 1)}
	for _, f := range found {
		v.find(f.File, f.What, f.Do)
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(v.res.Findings, func(a, b Finding) int { return strings.Compare(a.File, b.File) }) // files are checked in any order
	v.res.OK = len(v.res.Findings) == 0
	v.conclude()
	return &v.res, nil
}

// A verifier holds what the steps of Verify share.
type verifier struct {
	c        *container
	keys     trusted
	held     []held
	m        *Manifest
	manifest []byte
	r        *reading
	proof    proof
	long     chan struct{} // see stream

	mu     sync.Mutex
	hashed map[string]File // guarded by mu
	res    Result          // guarded by mu while files are checked
}

// maxFindings keeps a report readable; the rest is counted.
const maxFindings = 100

func (v *verifier) find(file, what, do string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.res.Findings) == maxFindings {
		v.res.More++
		return
	}
	v.res.Findings = append(v.res.Findings, Finding{file, what, do})
}

func (v *verifier) unreadable(file string, err error) {
	if errors.Is(err, errMissing) {
		return // the lists of files say so, once
	}
	v.find(file, err.Error(), doAskAgain)
}

// note keeps the hash of a file that was read to its end.
func (v *verifier) note(f File) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hashed[f.Name] = f
}

func (v *verifier) run(ctx context.Context) error {
	if !v.readManifest() {
		return v.rest(ctx) // without it only the sums can be checked
	}
	v.r = newReading(v.m.Sources, v.m.Period.interval())
	usable, err := v.ledger(ctx)
	if err != nil {
		return err
	}
	v.signatures()
	if usable {
		if err := v.content(ctx); err != nil {
			return err
		}
	}
	return v.rest(ctx)
}

// readManifest reads manifest.json and reports whether it can be worked with.
func (v *verifier) readManifest() bool {
	b, err := v.c.read("manifest.json", maxManifest)
	if errors.Is(err, errMissing) {
		v.find("manifest.json", "the pack does not have it", doAskAgain)
		return false
	}
	if err != nil {
		v.unreadable("manifest.json", err)
		return false
	}
	v.manifest = b
	m, err := parseManifest(b)
	if err != nil {
		v.find("manifest.json", err.Error(), doNewer)
		return false
	}
	v.m = m
	v.res.Title, v.res.Framework = m.Title, strings.TrimSpace(m.Framework.Name+" "+m.Framework.Version)
	v.res.Sources, v.res.Origin = m.Sources, m.Origin
	sum := sha256.Sum256([]byte(m.Query))
	if hex.EncodeToString(sum[:]) != m.QuerySHA256 {
		v.find("manifest.json", "the hash of the query text is not that of the query text", doAskAgain)
	}
	v.comparePeriod()
	return true
}

// comparePeriod says the period, in local time when the manifest's zone is what this
// machine knows it to be: with other offsets, other instants would look like whole days.
func (v *verifier) comparePeriod() {
	holds, known := v.m.Zone.holds(coverage.Touched(v.m.Period.interval()))
	v.res.Period = v.m.periodText(holds)
	switch {
	case holds:
	case known:
		v.res.Notes = append(v.res.Notes, fmt.Sprintf("The zone data here give %s other offsets than the manifest states (%s): the period is shown in UTC, and local times in this pack may be wrong; UTC columns are not concerned.",
			v.m.Zone.Name, v.m.Software.TZData))
	default:
		v.res.Notes = append(v.res.Notes, fmt.Sprintf("This program does not know the time zone %q: the period is shown in UTC, and local times were checked with the offsets that the manifest states.", v.m.Zone.Name))
	}
}

// content checks lines, CSV and counts: everything that follows from the records.
func (v *verifier) content(ctx context.Context) error {
	var pairs []*pair
	for _, i := range append(v.r.eventFiles(), rejectsIndex) {
		pairs = append(pairs, v.newPair(i))
	}
	bySize := slices.SortedFunc(slices.Values(pairs), func(a, b *pair) int { return cmp.Compare(v.packed(b.lines()), v.packed(a.lines())) })
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(min(runtime.GOMAXPROCS(0), 4)) // each has three stages, and buffers
	for _, p := range bySize {
		g.Go(func() error { return p.check(gctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	broken := false
	s := Summary{Checkpoint: v.proof.head, Period: v.r.period, Days: v.r.days}
	s.Counts.First = v.proof.first
	for _, p := range pairs {
		broken = broken || p.broken
		s.Counts.Cells += p.table.cells
		if p.file == rejectsIndex {
			s.Counts.Rejects, s.Counts.Groups = p.count.Lines, p.groups.list()
			continue
		}
		s.Counts.Sections = append(s.Counts.Sections, p.count)
		for source, sections := range p.counts {
			for i, n := range sections {
				if n > 0 {
					v.r.sums[source].Sections[event.Sections()[i]] += n
				}
			}
		}
	}
	v.r.count(&s.Counts)
	v.r.summarise(&s)
	v.res.Counts = s.Counts
	for _, spans := range s.Spans {
		for _, span := range spans {
			switch {
			case span.Gap():
				v.res.Gaps++
			case span.State != ledger.Covered:
				v.res.NotDue++
			}
		}
	}
	if broken {
		return nil // tables and counts follow from lines: nothing new would come out
	}
	return v.tables(&s)
}

func (v *verifier) packed(name string) uint64 {
	if f := v.c.files[name]; f != nil {
		return f.CompressedSize64
	}
	return 0
}

// hashOnly reads a file for its hash.
func (v *verifier) hashOnly(ctx context.Context, name string) error {
	s, err := v.c.stream(name)
	if err != nil {
		v.unreadable(name, err)
		return nil
	}
	defer s.close()
	if err := s.drain(); err != nil {
		v.unreadable(name, err)
		return ctx.Err()
	}
	v.note(s.entry())
	return ctx.Err()
}

// compareScript notes when ledger/verify.py is not the one that this program has: who
// makes a pack can put anything there, and the reader is asked to run it.
func (v *verifier) compareScript() {
	b, err := v.c.read("ledger/verify.py", maxGiven)
	if err == nil && !bytes.Equal(b, verifyPy) {
		v.res.Notes = append(v.res.Notes, "ledger/verify.py is not the one that this version of exhibit-verify has: read it before you run it, or use that of the version that made the pack.")
	}
}

// rest hashes what has not been read yet and compares all hashes with the lists.
func (v *verifier) rest(ctx context.Context) error {
	for name := range v.c.files {
		if _, ok := v.hashed[name]; ok || name == "SHA256SUMS" {
			continue
		}
		if err := v.hashOnly(ctx, name); err != nil {
			return err
		}
	}
	v.lists()
	v.compareScript()
	return nil
}
