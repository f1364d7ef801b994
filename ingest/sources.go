package ingest

import (
	"context"
	"maps"
	"slices"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A Declaration is a source as it is configured now.
type Declaration struct {
	Name        string
	Kind        source.Kind
	System      string
	Host        string
	Environment string
	Settle      time.Duration // zero: the kind's
	Since       time.Time
	Pushed      bool // it is sent or imported by others: nobody reads its history
}

// record returns what the ledger keeps of the declaration.
func (d Declaration) record() ledger.Source {
	settle := d.Settle
	if settle == 0 {
		settle = d.Kind.Settle
	}
	abilities := make(map[event.Section]string, len(d.Kind.Abilities))
	for section, a := range d.Kind.Abilities {
		abilities[section] = a.String()
	}
	return ledger.Source{Name: d.Name, Kind: d.Kind.Name, System: d.System, Host: d.Host, Environment: d.Environment,
		Keeps: int64(d.Kind.Keeps / time.Second), Settle: int64(settle / time.Second), Since: d.Since.UTC(),
		Abilities: abilities, Mapping: d.Kind.Mapping, Rules: d.Kind.Rules, Pushed: d.Pushed}
}

// Declare brings the ledger's list of sources up to the configuration: one record
// for each that was added, changed or removed. When only is true, sources that are
// not declared stay as they are.
func (l *Log) Declare(ctx context.Context, declared []Declaration, only bool) error {
	head := l.Head()
	known := make(map[string]ledger.SourceAt)
	for _, s := range head.State.Latest() {
		known[s.Name] = s
	}
	for _, d := range declared {
		want := d.record()
		want.Change = "added"
		if before, there := known[d.Name]; there {
			delete(known, d.Name)
			if before.Change != "removed" && sameSource(before.Source, want) {
				continue
			}
			want.Change = "changed"
		}
		if err := l.Append(ctx, ledger.Record{Kind: ledger.KindSource, Source: &want}); err != nil {
			return err
		}
	}
	if only {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		gone := known[name].Source
		if gone.Change == "removed" {
			continue
		}
		gone.Change = "removed"
		if err := l.Append(ctx, ledger.Record{Kind: ledger.KindSource, Source: &gone}); err != nil {
			return err
		}
	}
	return nil
}

// sameSource reports whether two records say the same of a source.
func sameSource(a, b ledger.Source) bool {
	if !maps.Equal(a.Abilities, b.Abilities) || !a.Since.Equal(b.Since) {
		return false
	}
	a.Abilities, b.Abilities, a.Since, b.Since = nil, nil, time.Time{}, time.Time{}
	return a.Name == b.Name && a.Kind == b.Kind && a.System == b.System && a.Host == b.Host &&
		a.Environment == b.Environment && a.Keeps == b.Keeps && a.Settle == b.Settle && a.Mapping == b.Mapping && a.Rules == b.Rules && a.Pushed == b.Pushed
}
