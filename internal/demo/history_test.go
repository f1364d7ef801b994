package demo

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"slices"
	"testing"
	"time"
)

var (
	periodFrom = time.Date(2026, 1, 20, 9, 30, 0, 0, time.UTC)
	periodTo   = periodFrom.AddDate(0, 0, 120)
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// auditEvent has every documented field and no other.
type auditEvent struct {
	ID        string    `json:"id"`
	Version   string    `json:"version"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Auth      struct {
		AccessorID     *string `json:"accessor_id"`
		Description    *string `json:"description"`
		Type           *string `json:"type"`
		ImpersonatorID *string `json:"impersonator_id"`
		OrganizationID string  `json:"organization_id"`
	} `json:"auth"`
	Request struct {
		ID *string `json:"id"`
	} `json:"request"`
	Resource struct {
		ID     string         `json:"id"`
		Type   string         `json:"type"`
		Action string         `json:"action"`
		Meta   map[string]any `json:"meta"`
	} `json:"resource"`
}

func decodeEvent(t *testing.T, raw []byte) auditEvent {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var e auditEvent
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return e
}

func TestGenerate(t *testing.T) {
	zone := berlin(t)
	quietFrom, quietTo := QuietWeekend(periodFrom, periodTo, zone)
	if quietFrom.In(zone).Weekday() != time.Saturday || quietTo.In(zone).Weekday() != time.Monday {
		t.Fatalf("quiet weekend from %v to %v", quietFrom, quietTo)
	}
	days := map[string]int{}
	seen := map[string]bool{}
	actions := map[string]int{}
	actors := map[string]bool{}
	workspaces := map[string]bool{}
	var last time.Time
	bytesTotal := 0
	for r := range Generate(1, periodFrom, periodTo, zone) {
		e := decodeEvent(t, r.Raw)
		switch {
		case e.ID != r.ID || !e.Timestamp.Equal(r.Time):
			t.Fatalf("record %s %v holds %s %v", r.ID, r.Time, e.ID, e.Timestamp)
		case seen[r.ID]:
			t.Fatalf("id %s twice", r.ID)
		case r.Time.Before(last) || r.Time.Before(periodFrom) || !r.Time.Before(periodTo):
			t.Fatalf("time %v out of order or period", r.Time)
		case !r.Time.Before(quietFrom) && r.Time.Before(quietTo):
			t.Fatalf("event at %v in the quiet weekend", r.Time)
		}
		seen[r.ID], last = true, r.Time
		bytesTotal += len(r.Raw)
		days[r.Time.In(zone).Format(time.DateOnly)]++
		actions[e.Resource.Type+"."+e.Resource.Action]++
		actors[*e.Auth.AccessorID] = true
		if e.Resource.Type == "workspace" && e.Resource.Action == "lock" {
			workspaces[e.Resource.ID] = true
		}
	}
	for day := periodFrom.AddDate(0, 0, 1); day.Before(periodTo.AddDate(0, 0, -1)); day = day.AddDate(0, 0, 1) {
		n, wd := days[day.In(zone).Format(time.DateOnly)], day.In(zone).Weekday()
		if wd == time.Saturday || wd == time.Sunday {
			if n > 60 {
				t.Errorf("%v %v has %d events", wd, day, n)
			}
		} else if n < 200 || n > 400 {
			t.Errorf("%v %v has %d events, want 200 to 400", wd, day, n)
		}
	}
	if average := bytesTotal / len(seen); average < 500 || average > 540 {
		t.Errorf("%d bytes per event, want about 520", average)
	}
	if len(actors) != 12+4+1 || len(workspaces) < 20 {
		t.Errorf("%d actors, %d workspaces locked", len(actors), len(workspaces))
	}
	for _, a := range []string{"run.create", "run.apply", "policy_check.soft_failed", "policy_check.overridden",
		"authentication_token.create", "team.add_member", "oauth_token.show", "ssh_key.create", "state_version.show",
		"organization_user.destroy", "workspace.lock", "varset.update", "project.update_team_permissions"} {
		if actions[a] == 0 {
			t.Errorf("no %s in 120 days", a)
		}
	}
	t.Logf("%d events, %d types, %d bytes each", len(seen), len(actions), bytesTotal/len(seen))
}

func TestGenerateAgreesWhereHistoriesOverlap(t *testing.T) {
	h := History{Seed: 3, Zone: berlin(t)}
	mid, end := periodFrom.AddDate(0, 0, 5).Add(17*time.Minute), periodFrom.AddDate(0, 0, 8)
	var tail []string
	for r := range h.Records(periodFrom, periodFrom.AddDate(0, 0, 9)) {
		if !r.Time.Before(mid) && r.Time.Before(end) {
			tail = append(tail, string(r.Raw))
		}
	}
	var alone []string
	for r := range h.Records(mid, end) {
		alone = append(alone, string(r.Raw))
	}
	if len(alone) == 0 || !slices.Equal(tail, alone) {
		t.Errorf("%d events inside the longer history, %d alone: want the same", len(tail), len(alone))
	}
}

func TestQuietWeekendOfShortPeriod(t *testing.T) {
	if from, to := QuietWeekend(periodFrom, periodFrom.AddDate(0, 0, 2), nil); !from.IsZero() || !to.IsZero() {
		t.Errorf("got %v to %v, want none", from, to)
	}
}

func TestWriteEvents(t *testing.T) {
	to := periodTo.Add(1234 * time.Millisecond)
	for _, n := range []int{0, 1, 7, 5000, 20000} {
		var a, b bytes.Buffer
		if err := WriteEvents(&a, 1, n, periodFrom, to); err != nil {
			t.Fatal(err)
		}
		if err := WriteEvents(&b, 1, n, periodFrom, to); err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(a.Bytes()) != sha256.Sum256(b.Bytes()) {
			t.Fatalf("n=%d: two runs of one seed differ", n)
		}
		seen := map[string]bool{}
		var last time.Time
		bytesTotal := a.Len()
		for lines := bufio.NewScanner(&a); lines.Scan(); {
			e := decodeEvent(t, lines.Bytes())
			if e.Timestamp.Before(last) || e.Timestamp.Before(periodFrom) || !e.Timestamp.Before(to) {
				t.Fatalf("n=%d: time %v out of order or period", n, e.Timestamp)
			}
			last = e.Timestamp
			seen[e.ID] = true
		}
		if len(seen) != n {
			t.Errorf("n=%d: %d different events", n, len(seen))
		}
		if n == 20000 && (bytesTotal/n < 500 || bytesTotal/n > 540) {
			t.Errorf("%d bytes per event, want about 520", bytesTotal/n)
		}
	}
}

// TestWriteEventsShortPeriod packs many events into little time: stretches of a
// second.
func TestWriteEventsShortPeriod(t *testing.T) {
	from := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	if err := WriteEvents(&out, 1, 30000, from, from.Add(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for line := range bytes.Lines(out.Bytes()) {
		ids[string(line[7:43])] = true
	}
	if len(ids) != 30000 {
		t.Errorf("%d different events, want 30000", len(ids))
	}
}

func TestWriteEventsNowhereToPut(t *testing.T) {
	if err := WriteEvents(io.Discard, 1, 5, periodTo, periodFrom); err == nil {
		t.Error("a period that ends before it begins: no error")
	}
}

func TestWriteEventsReportsFullDisk(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := WriteEvents(w, 1, 5000, periodFrom, periodTo); err == nil {
		t.Error("writing to a closed pipe: no error")
	}
}

func BenchmarkWriteEvents(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := WriteEvents(io.Discard, 1, 100_000, periodFrom, periodTo); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
