package ingest

import (
	"context"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/store"
)

// unmapped counts the events of a batch that no rule knows, by source, type and day.
func (b *batch) unmapped() (counts []store.UnmappedCount) {
	type key struct {
		source, action string
		day            time.Time
	}
	at := make(map[key]int)
	for _, s := range b.sources {
		if s.Unmapped == 0 {
			continue
		}
		for _, item := range s.items { // in the order of time
			if !item.Unmapped {
				continue
			}
			e := item.Event
			k := key{s.Source, e.Action, event.Day(e.Time)}
			i, there := at[k]
			if !there {
				i = len(counts)
				at[k] = i
				counts = append(counts, store.UnmappedCount{Source: s.Source, Action: e.Action, Day: k.day, First: e.Time, ID: e.ID})
			}
			counts[i].Events++
			counts[i].Last = e.Time
		}
	}
	return counts
}

// FillUnmapped counts the events that no rule knows of batches from before they were
// counted. The writer does it when it starts; pages say less until it is done.
func (l *Log) FillUnmapped(ctx context.Context) error {
	head := l.Head()
	var batches []uint64
	for _, b := range head.State.Batches {
		if b.Unmapped > 0 && (len(batches) == 0 || batches[len(batches)-1] != b.Seq) {
			batches = append(batches, b.Seq)
		}
	}
	if len(batches) == 0 {
		return nil
	}
	return l.DB.FillUnmapped(ctx, batches)
}
