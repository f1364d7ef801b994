package push

import (
	"sync"
	"time"
)

// acks remembers which requests senders want to hear of that they are in the ledger.
// It is in memory: after a restart, or when too much is asked to be remembered, a
// sender hears nothing, sends again, and the second time counts as duplicates.
type acks struct {
	most int // channels
	now  func() time.Time

	mu       sync.Mutex // protects what follows
	channels map[string]*ackChannel
}

type ackChannel struct {
	next  uint64
	marks map[uint64]uint64 // by ack id
	used  time.Time
}

// maxPending is how many requests of a channel wait to be asked for.
const maxPending = 10_000

func newAcks(most int, now func() time.Time) *acks {
	return &acks{most: most, now: now, channels: map[string]*ackChannel{}}
}

// add returns the id of a request; false: the sender never asks for its acks.
func (a *acks) add(channel string, mark uint64) (id uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.channels[channel]
	if c == nil {
		if len(a.channels) >= a.most {
			a.forget()
		}
		c = &ackChannel{marks: map[uint64]uint64{}}
		a.channels[channel] = c
	}
	c.used = a.now()
	if len(c.marks) >= maxPending {
		return 0, false
	}
	id = c.next
	c.next++
	c.marks[id] = mark
	return id, true
}

// forget drops the channel that was not used for the longest time; callers hold the lock.
func (a *acks) forget() {
	oldest := ""
	for name, c := range a.channels {
		if oldest == "" || c.used.Before(a.channels[oldest].used) {
			oldest = name
		}
	}
	delete(a.channels, oldest)
}

// done reports which of the ids are committed. That is said once.
func (a *acks) done(channel string, ids []uint64, committed uint64) []bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]bool, len(ids))
	c := a.channels[channel]
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
