package source_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
	"exhibit/internal/event"
)

// Whatever form an answer has, in whichever zone its dates are meant and whether the
// last day is in it or not: all of the window is read.
func TestTerracottaForms(t *testing.T) {
	t.Parallel()
	var forms []vendortest.TerracottaForm
	for _, list := range []string{"", "data", "audit_logs", "result.entries", "data.items"} {
		forms = append(forms, vendortest.TerracottaForm{List: list})
	}
	for _, paging := range []string{"link", "path", "header", "cursor", "number", "pages"} {
		forms = append(forms, vendortest.TerracottaForm{List: "events", Paging: paging, Size: 7})
	}
	forms = append(forms, vendortest.TerracottaForm{Paging: "header", Size: 7})
	for hours := -12; hours <= 14; hours++ {
		forms = append(forms, vendortest.TerracottaForm{List: "data", Zone: time.FixedZone("", hours*3600)})
	}
	f, fake := newTerracotta(t, vendortest.TerracottaForm{})
	for i := range 61 {
		f.event(i, f.now.Add(-time.Duration(i)*97*time.Minute))
	}
	for _, form := range forms {
		for _, form.Including = range []bool{false, true} {
			form.OldestFirst = form.Including
			fake.Form, fake.Twice = form, form.Paging != ""
			if f.settings["limit"] = ""; form.Paging == "" { // some answers hold a round number of entries
				f.settings["limit"] = "none"
			}
			for _, back := range []int{0, 5, 12, 30} {
				w := f.last(24 * time.Hour)
				w.From, w.To = w.From.Add(-time.Duration(back)*time.Hour), w.To.Add(-time.Duration(back)*time.Hour)
				got, _, err := f.pull(w)
				if err != nil {
					t.Fatalf("%+v: %v", form, err)
				}
				if f.wants(got, w); t.Failed() {
					t.Fatalf("%+v, a day that ended %d hours ago", form, back)
				}
			}
		}
	}
}

// An answer of a round number of entries and without a next page may have been cut.
func TestTerracottaRoundNumbers(t *testing.T) {
	t.Parallel()
	noon := func(f *windowed, daysAgo int) time.Time { return f.now.AddDate(0, 0, -daysAgo) }
	fill := func(f *windowed, daysAgo, n int) {
		for i := range n {
			f.event(len(f.given), noon(f, daysAgo).Add(time.Duration(i)*time.Second))
		}
	}
	for _, x := range []struct {
		name     string
		counts   []int // events of today, yesterday, ...
		form     vendortest.TerracottaForm
		settings map[string]string
		says     string
	}{
		{"not round", []int{0, 99, 0}, vendortest.TerracottaForm{}, nil, ""},
		{"round", []int{0, 100, 0}, vendortest.TerracottaForm{}, nil, "exactly 100 entries"},
		{"cut", []int{0, 730, 0}, vendortest.TerracottaForm{Size: 500}, nil, "exactly 500 entries"},
		{"cut in a page", []int{0, 730, 0}, vendortest.TerracottaForm{List: "data", Size: 100}, nil, "exactly 100 entries"},
		{"the days together are too many", []int{30, 70, 60, 40}, vendortest.TerracottaForm{List: "data", Size: 100}, nil, ""},
		{"together a round number", []int{30, 30, 20, 20}, vendortest.TerracottaForm{List: "data"}, nil, ""},
		{"cut at ten", []int{0, 14, 0}, vendortest.TerracottaForm{Size: 10}, nil, "exactly 10 entries"},
		{"cut at twenty", []int{0, 33, 0}, vendortest.TerracottaForm{List: "data", Size: 20}, nil, "exactly 20 entries"},
		{"cut at 25", []int{0, 61, 0}, vendortest.TerracottaForm{Size: 25}, nil, "exactly 25 entries"},
		{"cut at thirty", []int{4, 31, 9}, vendortest.TerracottaForm{Size: 30}, nil, "exactly 30 entries"},
		{"cut at forty", []int{4, 90, 9}, vendortest.TerracottaForm{List: "data", Size: 40}, nil, "exactly 40 entries"},
		{"a day of ten and a longer one", []int{8, 10, 12}, vendortest.TerracottaForm{}, nil, ""},
		{"few", []int{0, 9, 0}, vendortest.TerracottaForm{}, nil, ""},
		{"the limit is known", []int{0, 100, 0}, vendortest.TerracottaForm{}, map[string]string{"limit": "250"}, ""},
		{"the limit is known and odd", []int{0, 300, 0}, vendortest.TerracottaForm{Size: 33}, map[string]string{"limit": "33"}, "exactly 33 entries"},
		{"there is no limit", []int{0, 500, 0}, vendortest.TerracottaForm{}, map[string]string{"limit": "none"}, ""},
		{"the answer says that it is all", []int{0, 100, 0}, vendortest.TerracottaForm{List: "data", Paging: "link"}, nil, ""},
		{"the pages are round", []int{0, 300, 0}, vendortest.TerracottaForm{List: "data", Paging: "link", Size: 100}, nil, ""},
		{"a header leads on", []int{0, 300, 0}, vendortest.TerracottaForm{Paging: "header", Size: 100}, nil, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, _ := newTerracotta(t, x.form)
			for ago, n := range x.counts {
				fill(f, ago, n)
			}
			for name, value := range x.settings {
				f.settings[name] = value
			}
			w := ask("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z")
			got, _, err := f.pull(w)
			if x.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				f.wants(got, w)
				return
			}
			if err == nil || !strings.Contains(err.Error(), x.says) || !strings.Contains(err.Error(), "set next") || !strings.Contains(err.Error(), "limit") {
				t.Errorf("got %v, want it to say %q and what to do", err, x.says)
			}
		})
	}

	// A longer answer shows that a round number is no limit.
	f, _ := newTerracotta(t, vendortest.TerracottaForm{})
	fill(f, 5, 100)
	fill(f, 15, 123)
	p := f.puller()
	if _, _, err := pullWindow(p, ask("2026-02-24T00:00:00Z", "2026-02-25T00:00:00Z")); err == nil {
		t.Error("the day of 100 was taken for complete")
	}
	for _, w := range []string{"2026-02-14T00:00:00Z", "2026-02-24T00:00:00Z"} {
		end, _ := time.Parse(time.RFC3339, w)
		if _, _, err := pullWindow(p, ask(w, end.Add(24*time.Hour).Format(time.RFC3339))); err != nil {
			t.Error(err)
		}
	}
}

// Entries without an id: one that is in two answers is handed over once, two that are
// alike in one answer are two.
func TestTerracottaWithoutIDs(t *testing.T) {
	t.Parallel()
	f, _ := newTerracotta(t, vendortest.TerracottaForm{})
	twin := `{"timestamp":"2026-02-27T23:30:00Z","event_type":"login"}`
	lone := `{"timestamp":"2026-02-28T08:00:00Z","event_type":"logout"}`
	rest := ""
	for i := range 97 { // makes 100: every day is asked for alone, and the days overlap
		rest += fmt.Sprintf(`,{"timestamp":"2026-02-28T09:00:00Z","n":%d}`, i)
	}
	requests := 0
	f.line.Down(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		switch requests++; {
		case requests == 1:
			fmt.Fprintf(w, `[%s,%s,%s%s]`, twin, lone, twin, rest)
		case requests == 2:
			fmt.Fprintf(w, `[%s,%s]`, twin, twin)
		default:
			fmt.Fprintf(w, `[%s,%s,%s]`, lone, twin, twin)
		}
	})
	got, _, err := f.pull(ask("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"))
	if err != nil || got[twin] != 2 || got[lone] != 1 || requests < 4 || len(got) != 99 {
		t.Errorf("after %d requests got %d and %d of the twin and the lone one, %d different, error %v; want 2, 1 and 99", requests, got[twin], got[lone], len(got), err)
	}
}

func TestTerracottaStrangeAnswers(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, body, says string }{
		{"nothing", ``, "not a page"},
		{"null", `null`, "list"},
		{"a number", `7`, "list"},
		{"no list", `{"ok":true}`, "set list"},
		{"two lists", `{"data":[],"events":[]}`, "several lists"},
		{"more follows", `[]{}`, "not a page"},
		{"an error as an answer", `{"error":{"code":"oops"},"data":[]}`, "it is an error"},
		{"an error without data", `{"data":null,"errors":["no"]}`, "it is an error"},
		{"more and nowhere to go", `{"data":[],"has_more":true}`, "set next"},
		{"more pages and no number", `{"data":[],"total_pages":3}`, "set next"},
		{"a total that was not reached", `{"data":[{}],"total":12}`, "12 entries"},
		{"itself is next", `{"data":[],"next":"?from=2026-02-28&to=2026-03-02"}`, "leads back"},
		{"a cursor that is not understood", `{"data":[],"next_cursor":"abc"}`, "next_param"},
		{"a number that is not understood", `{"data":[],"next_page":2}`, "next_param"},
		{"another host", `{"data":[],"next":"https://evil.example.com/v1"}`, "the token is for"},
		{"no address", `{"data":[],"next":"http://%zz"}`, "not an address"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, _ := newTerracotta(t, vendortest.TerracottaForm{})
			f.retry.Times = 1
			f.line.Down(vendortest.Status(200, x.body))
			if got, answer, err := f.pull(f.last(time.Hour)); err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("got %v, %+v, %v; want an error that says %q", got, answer, err, x.says)
			} else {
				f.noSecret(err)
			}
		})
	}
	for _, body := range []string{`[]`, `{"data":null}`, `{"data":[],"errors":[],"total":0}`, `{"data":[],"next":null,"has_more":false}`, `{"logs":[],"next":""}`,
		`{"data":[],"page_info":{"end_cursor":"abc","has_next_page":false}}`} {
		f, _ := newTerracotta(t, vendortest.TerracottaForm{})
		f.line.Down(vendortest.Status(200, body))
		if got, _, err := f.pull(f.last(time.Hour)); err != nil || len(got) > 0 {
			t.Errorf("%s: got %v, %v, want nothing", body, got, err)
		}
	}
}

// Where an answer is unlike all others, settings say where its parts are.
func TestTerracottaPaths(t *testing.T) {
	t.Parallel()
	f, _ := newTerracotta(t, vendortest.TerracottaForm{})
	f.settings["list"], f.settings["next"], f.settings["next_param"] = "audit.Rows", "audit.position.mark", "mark"
	f.line.Down(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		switch r.URL.Query().Get("mark") {
		case "":
			fmt.Fprint(w, `{"audit":{"rows":[{"id":"1"}],"position":{"mark":"x 1"}},"data":[{"id":"other"}],"next":"/nowhere"}`)
		case "x 1":
			fmt.Fprint(w, `{"audit":{"rows":[{"id":"2"}],"position":{"mark":null}}}`)
		default:
			http.NotFound(w, r)
		}
	})
	got, _, err := f.pull(f.last(time.Hour))
	if err != nil || len(got) != 2 || got[`{"id":"1"}`] != 1 || got[`{"id":"2"}`] != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// What was changed and how it was asked for come through.
func TestTerracottaChanges(t *testing.T) {
	t.Parallel()
	f, _ := newTerracotta(t, vendortest.TerracottaForm{List: "data"})
	f.event(1, f.now.Add(-time.Hour))
	got, _, err := f.pull(f.last(2 * time.Hour))
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	for raw := range got {
		out, err := f.kind.Normalize(source.Record{Raw: []byte(raw), Received: f.now})
		if err != nil {
			t.Fatal(err)
		}
		e := out[0].Event
		if e.Changes != `{"before":{"level":1},"after":{"level":2}}` || e.SessionID != "ses_1" || e.UserAgent != "Mozilla/5.0" || e.IP != "203.0.113.1" ||
			e.Actor.Email != "dev1@example.com" || e.Target.ID != "gr_1" || e.Section != event.ChangeManagement || !e.Time.Equal(f.now.Add(-time.Hour)) {
			t.Errorf("got %+v", e)
		}
	}
}
