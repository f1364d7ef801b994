package framework

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

// load returns the embedded framework with the given id.
func load(t *testing.T, id string) Framework {
	t.Helper()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Find(all, id)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestControlCounts(t *testing.T) {
	tests := []struct {
		id       string
		prefix   string
		all      int // controls in the file
		nowEmpty int // of these, evidenced only by sections of kind Later
	}{
		{"soc2", "tsc:2017r2022", 25, 3},
		{"hipaa", "hipaa:2013", 37, 4},
		{"pci", "pci:4.0.1", 97, 13},
	}
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(tests) {
		t.Errorf("got %d frameworks, want %d", len(all), len(tests))
	}
	for _, tt := range tests {
		f := load(t, tt.id)
		empty := 0
		for _, c := range f.Controls {
			if len(c.Now()) == 0 {
				empty++
			}
		}
		if f.Prefix != tt.prefix || len(f.Controls) != tt.all || empty != tt.nowEmpty {
			t.Errorf("%s: got prefix %s, %d controls, %d with later sections only; want %s, %d, %d",
				tt.id, f.Prefix, len(f.Controls), empty, tt.prefix, tt.all, tt.nowEmpty)
		}
	}
}

func TestKeys(t *testing.T) {
	tests := []struct{ framework, id, key string }{
		{"soc2", "CC6.1", "tsc:2017r2022:CC6.1"},
		{"hipaa", "164.312(b)", "hipaa:2013:164.312(b)"},
		{"pci", "10.2.1.4", "pci:4.0.1:10.2.1.4"},
	}
	for _, tt := range tests {
		c, there := load(t, tt.framework).Control(tt.id)
		if !there || c.Key != tt.key {
			t.Errorf("%s %s: got key %q, there %v; want %q", tt.framework, tt.id, c.Key, there, tt.key)
		}
	}
}

// TestReverseIndex holds the facts that section pages rest on: these controls are
// evidenced by that section, whatever else a framework file says.
func TestReverseIndex(t *testing.T) {
	for section, want := range reverseIndex {
		for id, list := range want {
			f := load(t, id)
			for _, control := range strings.Fields(list) {
				c, there := f.Control(control)
				if !there || !slices.Contains(c.Sections, section) {
					t.Errorf("%s %s: section %s is missing (control there: %v)", id, control, section, there)
				}
				if !slices.ContainsFunc(f.ControlsOf(section), func(of Control) bool { return of.ID == control }) {
					t.Errorf("%s: ControlsOf(%q) leaves out %s", id, section, control)
				}
			}
		}
	}
	for _, s := range Sections() {
		if _, there := reverseIndex[s.Name]; !there && s.Name != "other" {
			t.Errorf("section %s has no row in the reverse index", s.Name)
		}
	}
}

// TestOfEachSection pins how many controls each section serves, so that a control
// dropped from a list by accident shows.
func TestOfEachSection(t *testing.T) {
	want := map[string][3]int{ // soc2, hipaa, pci
		"logins":             {4, 11, 14},
		"failed-auth":        {3, 10, 5},
		"mfa":                {2, 5, 10},
		"admin-changes":      {5, 9, 11},
		"access-grants":      {6, 15, 22},
		"credentials":        {3, 7, 19},
		"change-management":  {9, 6, 14},
		"data-access":        {5, 9, 9},
		"audit-log-config":   {3, 9, 12},
		"retention-coverage": {7, 5, 10},
		"integrity":          {5, 10, 7},
		"log-review":         {8, 13, 23},
		"dormant-accounts":   {2, 5, 4},
		"time-sync":          {1, 3, 3},
	}
	for _, s := range Sections() {
		got := [3]int{}
		for i, id := range []string{"soc2", "hipaa", "pci"} {
			got[i] = len(load(t, id).ControlsOf(s.Name))
		}
		if got != want[s.Name] {
			t.Errorf("%s: got %v controls, want %v", s.Name, got, want[s.Name])
		}
	}
}

func TestStrength(t *testing.T) {
	tests := []struct{ framework, id, want string }{
		{"soc2", "CC2.1", "C"}, {"soc2", "CC6.1", "A B"}, {"soc2", "CC7.2", "A C"}, {"soc2", "CC8.1", "A B"},
		{"soc2", "CC6.2", "B"}, {"soc2", "A1.3", "B C"},
		{"hipaa", "164.312(b)", "A C"}, {"hipaa", "164.312(d)", "A B"}, {"hipaa", "164.312(a)(2)(i)", "A"},
		{"hipaa", "164.308(a)(5)(ii)(C)", "A C"}, {"hipaa", "164.316(b)(2)(i)", "C"},
		{"pci", "10.2.1", "A C"}, {"pci", "10.2.1.4", "A"}, {"pci", "10.3.2", "A B"}, {"pci", "10.3.4", "C"},
		{"pci", "10.4.3", "B C"}, {"pci", "10.5.1", "A C"}, {"pci", "10.7.3", "B C"}, {"pci", "8.3.4", "A B"},
		{"pci", "6.5.4", "A"}, {"pci", "7.2.4", "C"},
	}
	for _, tt := range tests {
		c, there := load(t, tt.framework).Control(tt.id)
		var got []string
		for _, s := range c.Strength {
			got = append(got, string(s))
		}
		if !there || strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s: got strength %v, want %s", tt.framework, tt.id, got, tt.want)
		}
	}
	for _, s := range []Strength{Alone, Corroborates, OurOperation} {
		if s.Text() == "" {
			t.Errorf("strength %s has no text", s)
		}
	}
}

func TestFlags(t *testing.T) {
	pci, hipaa := load(t, "pci"), load(t, "hipaa")
	for id, want := range map[string]string{"10.7.1": "10.7.2", "8.3.10": "8.3.10.1"} {
		if c, _ := pci.Control(id); c.SupersededBy != want {
			t.Errorf("%s: got superseded by %q, want %q", id, c.SupersededBy, want)
		}
	}
	var only []string
	for _, c := range pci.Controls {
		if c.OnlyFor == ServiceProviders {
			only = append(only, c.ID)
		}
	}
	if want := []string{"10.7.1", "8.2.3", "8.3.10", "8.3.10.1", "12.4.2", "12.4.2.1"}; !slices.Equal(only, want) {
		t.Errorf("got %v for service providers only, want %v", only, want)
	}
	if c, _ := pci.Control("A1.2.1"); c.OnlyFor != MultiTenantServiceProviders {
		t.Errorf("A1.2.1: got only for %q", c.OnlyFor)
	}
	for _, c := range hipaa.Controls {
		if (c.Level == "") != (c.ID == "164.528") { // the Privacy Rule does not make the difference
			t.Errorf("%s: got level %q", c.ID, c.Level)
		}
	}
}

func TestRetention(t *testing.T) {
	type row struct {
		kind            RetentionKind
		of              Kept
		days, immediate int
	}
	want := map[string]row{
		"pci.log-history":     {Hard, Events, 366, 92},
		"hipaa.documentation": {Hard, Packs, 2192, 0},
		"hipaa.raw-logs":      {Warn, Events, 2192, 0},
		"soc2.log-history":    {Policy, Events, 458, 0},
	}
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]row{}
	for _, f := range all {
		for _, r := range f.Retention {
			got[r.ID] = row{r.Kind, r.AppliesTo, r.Days, r.ImmediateDays}
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
	for id, w := range want {
		if got[id] != w {
			t.Errorf("%s: got %+v, want %+v", id, got[id], w)
		}
	}
}

func TestStrictDays(t *testing.T) {
	for months, want := range map[int]int{0: 0, 1: 31, 2: 62, 3: 92, 6: 184, 12: 366, 15: 458, 24: 731, 36: 1096, 72: 2192} {
		if got := StrictDays(months); got != want {
			t.Errorf("%d months: got %d days, want %d", months, got, want)
		}
	}
}

// TestTexts repeats on the data what the loader enforces, from the bytes.
func TestTexts(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		data, err := os.ReadFile(f.File)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); f.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: hash %s is not that of the file", f.File, f.Hash)
		}
		if strings.Contains(strings.ToLower(string(data)), "compliant") {
			t.Errorf("%s: says compliant", f.File)
		}
		for _, c := range f.Controls {
			for _, text := range []string{c.Title, c.Asks, c.Cadence, c.Number, c.Bring, c.Note} {
				if len(text) > maxText {
					t.Errorf("%s: %d bytes: %s", c.Key, len(text), text)
				}
			}
			if len(c.Title) > 80 {
				t.Errorf("%s: title of %d bytes is not short", c.Key, len(c.Title))
			}
		}
	}
}

func TestFind(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Find(all, "iso27001")
	if want := `unknown framework "iso27001": use one of hipaa, pci, soc2`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNowAndLater(t *testing.T) {
	c, _ := load(t, "pci").Control("7.2.4")
	if now, later := c.Now(), c.Later(); !slices.Equal(now, []string{"access-grants"}) ||
		!slices.Equal(later, []string{"log-review", "dormant-accounts"}) {
		t.Errorf("got now %v, later %v", now, later)
	}
}
