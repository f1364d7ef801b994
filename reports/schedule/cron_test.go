package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// numbers lists what a field of a cron expression means.
func numbers(t *testing.T, f cronField, text string) string {
	t.Helper()
	set, err := f.parse(text)
	if err != nil {
		return "refused"
	}
	var out []string
	for n, in := range set {
		if in {
			out = append(out, strconv.Itoa(n))
		}
	}
	return strings.Join(out, " ")
}

func TestCronFields(t *testing.T) {
	minute, hour, day, month, weekday := cronFields()[0], cronFields()[1], cronFields()[2], cronFields()[3], cronFields()[4]
	for _, tt := range []struct {
		field      cronField
		text, want string
	}{
		{hour, "7", "7"}, {hour, "7,19", "7 19"}, {hour, "*/6", "0 6 12 18"}, {hour, "9-17/4", "9 13 17"}, {hour, "20/2", "20 22"}, {hour, "1-3,3-4,0", "0 1 2 3 4"},
		{minute, "59", "59"}, {minute, "*/45", "0 45"}, {minute, "05", "5"}, {day, "31", "31"}, {day, "*/10", "1 11 21 31"}, {month, "JAN,apr,Jul", "1 4 7"}, {month, "oct-dec", "10 11 12"},
		{weekday, "mon-fri", "1 2 3 4 5"}, {weekday, "fri-sun", "5 6 7"}, {weekday, "7", "7"}, {weekday, "sun", "0"}, {weekday, "0-0", "0"}, {weekday, "*", "0 1 2 3 4 5 6"}, {weekday, "4/2", "4 6"},
		{minute, "60", "refused"}, {minute, "-1", "refused"}, {minute, "+1", "refused"}, {hour, "24", "refused"}, {hour, "5-3", "refused"}, {hour, "1,", "refused"}, {hour, "", "refused"},
		{hour, "*/0", "refused"}, {hour, "*/", "refused"}, {hour, "*/99", "refused"}, {hour, "1-2-3", "refused"}, {hour, "**", "refused"}, {day, "0", "refused"}, {day, "L", "refused"},
		{day, "?", "refused"}, {month, "january", "refused"}, {month, "0", "refused"}, {weekday, "8", "refused"}, {weekday, "sat-fri", "refused"}, {hour, "99999999999999999999", "refused"},
	} {
		if got := numbers(t, tt.field, tt.text); got != tt.want {
			t.Errorf("%s %q: got %q, want %q", tt.field.name, tt.text, got, tt.want)
		}
	}
}

// What crontab(5) says of the two fields for days.
func TestCronDays(t *testing.T) {
	for text, want := range map[string]string{ // days of February 2026, whose 13th is a Friday
		"0 7 13 * *":       "13",
		"0 7 * * fri":      "6 13 20 27",
		"0 7 1,13 * fri":   "1 6 13 20 27",
		"0 7 */10 * sun":   "1",
		"0 7 1-31/10 * 0":  "1 8 11 15 21 22",
		"0 7 13 * */2":     "",
		"0 7 13,14 * */2":  "14",
		"0 7 * * 1-5":      "2 3 4 5 6 9 10 11 12 13 16 17 18 19 20 23 24 25 26 27",
		"0 7 30 feb,apr *": "",
	} {
		c, err := parseCron(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for d := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC); d.Month() == time.February; d = d.AddDate(0, 0, 1) {
			if c.on(d) {
				got = append(got, strconv.Itoa(d.Day()))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
}

// A written field: a random one, with the numbers that it was made of.
func writtenField(r *rand.Rand, f cronField) (string, []int) {
	if r.IntN(3) == 0 {
		step := 1 + r.IntN(f.to)
		var set []int
		for n := f.from; n <= f.to; n += step {
			set = append(set, n)
		}
		return "*/" + strconv.Itoa(step), set
	}
	var parts []string
	var set []int
	names := strings.Fields(f.names)
	word := func(n int) string {
		if len(names) > 0 && r.IntN(2) == 0 {
			return strings.ToUpper(names[n-f.from][:1]) + names[n-f.from][1:]
		}
		return strconv.Itoa(n)
	}
	for range 1 + r.IntN(3) {
		first := f.from + r.IntN(f.to-f.from+1)
		last := first + r.IntN(f.to-first+1)
		switch r.IntN(3) {
		case 0:
			parts, set = append(parts, word(first)), append(set, first)
			continue
		case 1:
			parts = append(parts, word(first)+"-"+word(last))
			for n := first; n <= last; n++ {
				set = append(set, n)
			}
		case 2:
			step := 1 + r.IntN(f.to)
			parts = append(parts, fmt.Sprintf("%s-%s/%d", word(first), word(last), step))
			for n := first; n <= last; n += step {
				set = append(set, n)
			}
		}
	}
	return strings.Join(parts, ","), set
}

// Random expressions in zones with different clock changes: what is due is what a watch
// that is looked at every minute shows, each period once.
func TestCronAgainstTheWatch(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "America/Scoresbysund"}
	periods := []string{"yesterday", "last week", "last month", "last 3 days"}
	r := rand.New(rand.NewPCG(4, 2026))
	due := 0
	for n := range 60 {
		var texts [5]string
		var sets [5][]int
		for i, f := range cronFields() {
			texts[i], sets[i] = writtenField(r, f)
		}
		s := Schedule{ID: "s", Version: 1, State: Active, Zone: zones[n%len(zones)], Period: periods[r.IntN(len(periods))], Every: Recurrence{Kind: "cron", Cron: strings.Join(texts[:], " ")}}
		if _, err := parseCron(s.Every.Cron); err != nil {
			if !strings.Contains(err.Error(), "a day that no month has") {
				t.Errorf("%q: %v", s.Every.Cron, err)
			}
			continue
		}
		// Spring and autumn, both ways round: every zone changes its clocks in there.
		from := time.Date(2026, 2, 1+r.IntN(20), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
		until := from.AddDate(0, 10, 0)
		s.At = from
		on := func(date time.Time, minute int) bool {
			day, weekday := slices.Contains(sets[2], date.Day()), slices.Contains(sets[4], int(date.Weekday()))
			days := day && weekday
			if texts[2][0] != '*' && texts[4][0] != '*' {
				days = day || weekday
			}
			return days && slices.Contains(sets[3], int(date.Month())) && slices.Contains(sets[1], minute/60) && slices.Contains(sets[0], minute%60)
		}
		want := wanted(t, []Schedule{s}, until, func(Schedule) func(time.Time, int) bool { return on })
		var got []string
		for _, o := range Due([]Schedule{s}, until.Add(-1)) {
			got = append(got, o.Key())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s in %s, %s, from %s: %d periods, want %d\nonly due: %v\nonly on the watch: %v", s.Every.Cron, s.Zone, s.Period, from, len(got), len(want), without(got, want), without(want, got))
		}
		due += len(got)
	}
	if due < 500 {
		t.Errorf("only %d periods were due: the test shows little", due)
	}
}

// What a page says comes next is what then becomes due.
func TestNextIsWhatBecomesDue(t *testing.T) {
	for _, text := range []string{"0 7 * * *", "*/20 2,3 * * *", "0 8 * * mon-fri", "30 6,18 1-7 * mon", "* * * * *"} {
		for _, period := range []string{"yesterday", "last month", "last week"} {
			s := Schedule{ID: "s", Version: 1, State: Active, Zone: "Europe/Berlin", Period: period, Every: Recurrence{Kind: "cron", Cron: text}, At: at(t, "2026-03-12T09:17Z")}
			now := at(t, "2026-03-20T12:00Z")
			next := s.Next(now, 3)
			if len(next) != 3 {
				t.Fatalf("%s, %s: %d next", text, period, len(next))
			}
			before := Due([]Schedule{s}, now.Add(-1))
			after := Due([]Schedule{s}, next[2].At)[len(before):]
			for i, o := range next {
				if len(after) != 3 || after[i].Key() != o.Key() || !after[i].At.Equal(o.At) {
					t.Errorf("%s, %s: next %v, becomes due %v", text, period, next, after)
					break
				}
			}
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"0 7 2 * *", "30 1 */3 jan-mar mon", "5 5 1-20/3,31 12 0-7", "0 0 29 2 *", "*/7 1,2-9/3 * * fri-sun"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCron(text)
		if err != nil {
			return
		}
		if len(c.times) == 0 || !slices.IsSorted(c.times) || c.times[len(c.times)-1] >= 24*60 || !c.possible() {
			t.Errorf("%q gave %v", text, c.times)
		}
	})
}
