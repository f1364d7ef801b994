package views

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A month is one line of a calendar.
type month struct {
	name  string // "Nov 2026"
	cells [31]*Day
	last  int // days that the month has
	found int64
}

// months lays consecutive days out by month.
func months(days []Day) []month {
	var out []month
	for i := range days {
		d := &days[i]
		name := d.Day.UTC().Format("Jan 2006")
		if len(out) == 0 || out[len(out)-1].name != name {
			y, m, _ := d.Day.UTC().Date()
			out = append(out, month{name: name, last: time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()})
		}
		m := &out[len(out)-1]
		m.cells[d.Day.UTC().Day()-1] = d
		m.found += d.Events
	}
	return out
}

// weekend reports whether the day is a Saturday or Sunday.
func (d Day) weekend() bool {
	w := d.Day.UTC().Weekday()
	return w == time.Saturday || w == time.Sunday
}

// partly reports whether a part of the day was collected and a part not.
func (d Day) partly() bool { return d.Share > 0 && d.Share < 1 && d.State.isGap() }

func (s DayState) isGap() bool {
	return s == Recoverable || s == Lost || s == Backfilling || s == Expired || s == Pending
}

// class is the cell's class in tables.
func (d Day) class() string {
	c := "day d-" + string(d.State)
	if d.partly() {
		c += " part p-" + string(d.Method)
	}
	if d.weekend() {
		c += " weekend"
	}
	return c
}

const (
	cellWidth  = 10
	cellHeight = 26
)

func stripBox(n int) string { return fmt.Sprintf("0 0 %d %d", n*cellWidth, cellHeight) }

func cellX(i int) string { return strconv.Itoa(i * cellWidth) }

func cellMiddle(i int) string { return strconv.Itoa(i*cellWidth + cellWidth/2 - 1) }

// coveredY and coveredHeight place the collected part of a day in its cell.
func coveredY(share float64) string { return strconv.FormatFloat(cellHeight*(1-share), 'f', 1, 64) }

func coveredHeight(share float64) string { return strconv.FormatFloat(cellHeight*share, 'f', 1, 64) }

// stripSays is the strip in one sentence.
func stripSays(s SourceDays) string {
	if len(s.Days) == 0 {
		return s.Source + ": no days"
	}
	first, last := s.Days[0].Day, s.Days[len(s.Days)-1].Day
	text := fmt.Sprintf("%s, %s: %s collected", s.Source, Period{From: first, To: last}.Words(), percent(s.Share))
	count := map[DayState]int64{}
	for _, d := range s.Days {
		count[d.State]++
	}
	for _, state := range states() {
		if n := count[state]; n > 0 {
			text += fmt.Sprintf("; %s %s", plural(n, "day", "days"), state.title())
		}
	}
	return text
}

// A dayRow is one day of several sources.
type dayRow struct {
	day   time.Time
	cells []*Day
}

// byDay turns the days of sources into rows, newest first.
func byDay(sources []OverviewSource) []dayRow {
	var rows []dayRow
	at := map[int64]int{}
	for n, s := range sources {
		for i := range s.Days {
			d := &s.Days[i]
			row, ok := at[d.Day.Unix()]
			if !ok {
				row = len(rows)
				at[d.Day.Unix()] = row
				rows = append(rows, dayRow{d.Day, make([]*Day, len(sources))})
			}
			rows[row].cells[n] = d
		}
	}
	slices.SortFunc(rows, func(a, b dayRow) int { return b.day.Compare(a.day) })
	return rows
}

func onlyDays(sources []OverviewSource) []SourceDays {
	var out []SourceDays
	for _, s := range sources {
		out = append(out, s.SourceDays)
	}
	return out
}

// stripRange is the first and last day of the strips below it.
func stripRange(sources []OverviewSource) string {
	if len(sources) == 0 || len(sources[0].Days) == 0 {
		return ""
	}
	days := sources[0].Days
	return days[0].Day.UTC().Format("Jan 2") + " – " + days[len(days)-1].Day.UTC().Format("Jan 2")
}
