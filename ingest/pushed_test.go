package ingest

import (
	"testing"
	"time"

	"exhibit/ingest/spool"
)

func TestPushProblem(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 10, minute, 0, 0, time.UTC) }
	tests := []struct {
		name  string
		drain DrainStatus
		spool spool.Status
		heard Hearing
		state string
		words string
	}{
		{"all is well", DrainStatus{}, spool.Status{}, Hearing{Last: at(1)}, Idle, ""},
		{"silent", DrainStatus{}, spool.Status{}, Hearing{Last: at(0).Add(-time.Hour)}, Unheard,
			"nothing came since 2026-03-01 09:00 UTC, which is longer than the heartbeat of 60 min: nobody knows whether the path is still there"},
		{"a clock that was ahead", DrainStatus{}, spool.Status{}, Hearing{Last: at(20)}, Unheard,
			"the last arrival is of 2026-03-01 10:20 UTC, which is still to come: the clock of this machine was ahead. Coverage goes on with the next arrival"},
		{"requests out of order", DrainStatus{}, spool.Status{}, Hearing{Last: at(10).Add(time.Second)}, Idle, ""},
		{"switched off", DrainStatus{}, spool.Status{}, Hearing{Last: at(1), Off: true}, Alarm,
			"the source said that its log was switched off: nothing is covered until it sends newer events"},
		{"filling", DrainStatus{Failing: at(2), Problem: "no connection"}, spool.Status{Used: 100 << 20, Max: 4 << 30, Waiting: 5000, Left: 3 * time.Hour}, Hearing{Last: at(1)}, Backoff,
			"nothing can be stored since 2026-03-01 10:02 UTC: no connection. About 5000 records wait in the spool (100 of 4096 MiB); as it fills now, it is full in about 3 h"},
		{"full", DrainStatus{Failing: at(2), Problem: "no connection"}, spool.Status{Used: 4 << 30, Max: 4 << 30, Waiting: 5000, Full: at(3)}, Hearing{Last: at(1)}, Alarm,
			"the spool is full since 2026-03-01 10:03 UTC: it has reached its size of 4096 MiB. Senders are told to wait and to send again. " +
				"nothing can be stored since 2026-03-01 10:02 UTC: no connection. About 5000 records wait in the spool (4096 of 4096 MiB)"},
		{"emptying", DrainStatus{}, spool.Status{Used: 4 << 30, Max: 4 << 30, Waiting: 5000, Full: at(3), Empties: 90 * time.Second}, Hearing{Last: at(1)}, Alarm,
			"the spool is full since 2026-03-01 10:03 UTC: it has reached its size of 4096 MiB. Senders are told to wait and to send again. " +
				"About 5000 records wait in it (4096 of 4096 MiB); they are stored in about 1 min"},
		{"disk", DrainStatus{}, spool.Status{Max: 4 << 30, Full: at(3), Disk: true}, Hearing{Last: at(1)}, Alarm,
			"the spool is full since 2026-03-01 10:03 UTC: the disk has too little room left. Senders are told to wait and to send again. About 0 records wait in it (0 of 4096 MiB)"},
		{"damaged", DrainStatus{Damaged: at(4), Damage: "1 piece"}, spool.Status{}, Hearing{Last: at(1)}, Alarm,
			"the spool was found damaged at 2026-03-01 10:04 UTC: 1 piece. What could not be read is among the rejects; look after the disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, words := pushProblem(tt.drain, tt.spool, tt.heard, time.Hour, at(10))
			if state != tt.state || words != tt.words {
				t.Errorf("got  %s: %s\nwant %s: %s", state, words, tt.state, tt.words)
			}
		})
	}
}
