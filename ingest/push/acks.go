package push

import (
	"sync"
	"time"
)

// acks remembers which requests senders want to hear of that they are in the ledger.
// It is in memory: after a restart, or when too much is asked to be remembered, a
// sender hears nothing, sends again, and the second time counts as duplicates.
// Each token has channels of its own and cannot make those of others be forgotten.
type acks struct {
	most int // channels of a token
	now  func() time.Time

	mu       sync.Mutex                        // protects what follows
	channels map[string]map[string]*ackChannel // by token and name
}

type ackChannel struct {
	first, next uint64            // no id before first is remembered
	marks       map[uint64]uint64 // by ack id
	used        time.Time
}

// maxPending is how many requests of a channel wait to be asked for: with 256 channels
// these are about 10 MiB for a token.
const maxPending = 1000

func newAcks(most int, now func() time.Time) *acks {
	return &acks{most: most, now: now, channels: map[string]map[string]*ackChannel{}}
}

// add returns the id of a request. When too many wait, the oldest is forgotten: there
// are senders that name a channel and never ask.
func (a *acks) add(token, channel string, mark uint64) (id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.channels[token]
	if of == nil {
		of = map[string]*ackChannel{}
		a.channels[token] = of
	}
	c := of[channel]
	if c == nil {
		if len(of) >= a.most {
			forget(of)
		}
		c = &ackChannel{marks: map[uint64]uint64{}}
		of[channel] = c
	}
	c.used = a.now()
	for ; len(c.marks) >= maxPending; c.first++ {
		delete(c.marks, c.first)
	}
	id = c.next
	c.next++
	c.marks[id] = mark
	return id
}

// forget drops the channel that was not used for the longest time.
func forget(channels map[string]*ackChannel) {
	oldest := ""
	for name, c := range channels {
		if oldest == "" || c.used.Before(channels[oldest].used) {
			oldest = name
		}
	}
	delete(channels, oldest)
}

// done reports which of the ids are committed. That is said once.
func (a *acks) done(token, channel string, ids []uint64, committed uint64) []bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]bool, len(ids))
	c := a.channels[token][channel]
	if c == nil {
		return list
	}
	c.used = a.now()
	for i, id := range ids {
		mark, known := c.marks[id]
		if list[i] = known && mark <= committed; list[i] {
			delete(c.marks, id)
		}
	}
	return list
}
