package site

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"exhibit/reports/schedule"
	"exhibit/views"
	"exhibit/web"
)

// Form implements web.Schedules.
func (s Schedules) Form(ctx context.Context, id string) (views.ScheduleForm, error) {
	if id == "" {
		return views.ScheduleForm{Period: "last month", Kind: "monthly", Day: "2", Weekday: "Monday", Month: "January", Time: "07:00", Zone: s.Zone.String(), Grace: "24", Attach: true}, nil
	}
	one, err := s.Desk.Find(ctx, id)
	if err == nil && id == schedule.Checkpoint {
		err = schedule.ErrBuiltIn
	}
	if err != nil {
		return views.ScheduleForm{}, scheduleError(err)
	}
	e := one.Every
	return views.ScheduleForm{ID: one.ID, Version: strconv.Itoa(one.Version), Name: one.Name, Framework: one.Framework, Period: one.Period, Kind: e.Kind, Weekday: e.Weekday.String(),
		Day: strconv.Itoa(max(e.Day, 1)), Month: max(e.Month, time.January).String(), Time: fmt.Sprintf("%02d:%02d", e.Hour, e.Minute), Cron: e.Cron, Zone: one.Zone,
		Recipients: strings.Join(one.Recipients, ", "), Place: placeOf(one), Grace: strconv.Itoa(one.Grace), Attach: one.Attach, Sources: one.Sources}, nil
}

// Options implements web.Schedules.
func (s Schedules) Options(ctx context.Context, f views.ScheduleForm) (views.ScheduleForm, error) {
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return f, err
	}
	f.AllSources = s.sources(&head.State)
	f.Frameworks, err = Reports{s.site}.Frameworks(ctx)
	f.Periods, f.Kinds, f.Places, f.Domains = schedule.Words(), schedule.Kinds(), s.places(), s.Desk.Domains
	return f, err
}

// How the form names a directory or bucket for the pack.
const (
	directoryPlace = "directory:"
	bucketPlace    = "bucket:"
)

func placeOf(s schedule.Schedule) string {
	switch {
	case s.Bucket != "":
		return bucketPlace + s.Bucket
	case s.Directory != "":
		return directoryPlace + s.Directory
	}
	return ""
}

func (s Schedules) places() []string {
	var out []string
	for _, name := range s.Desk.Directories {
		out = append(out, directoryPlace+name)
	}
	for _, name := range s.Desk.Buckets {
		out = append(out, bucketPlace+name)
	}
	return out
}

// parse reads a form. What it cannot read it leaves for Check to refuse.
func parse(f views.ScheduleForm) (schedule.Schedule, error) {
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			return -1
		}
		return n
	}
	out := schedule.Schedule{ID: f.ID, Name: f.Name, Framework: f.Framework, Sources: f.Sources, Period: f.Period, Zone: cmp.Or(f.Zone, "UTC"),
		Attach: f.Attach, Grace: number(cmp.Or(f.Grace, "0")), Every: schedule.Recurrence{Kind: f.Kind}}
	if f.ID != "" {
		out.Version = number(f.Version)
	}
	if name, ok := strings.CutPrefix(f.Place, bucketPlace); ok {
		out.Bucket = name
	} else {
		out.Directory = strings.TrimPrefix(f.Place, directoryPlace)
	}
	for _, to := range strings.FieldsFunc(f.Recipients, func(r rune) bool { return r == ',' || r == ';' }) {
		if to = strings.TrimSpace(to); to != "" {
			out.Recipients = append(out.Recipients, to)
		}
	}
	if f.Kind == "cron" {
		out.Every.Cron = f.Cron
		return out, nil
	}
	at, err := time.Parse("15:04", f.Time)
	if err != nil {
		return out, &web.InputError{Sentence: fmt.Sprintf("The time %.20q is not a time of the day: write it like 07:00.", f.Time)}
	}
	out.Every.Hour, out.Every.Minute = at.Hour(), at.Minute()
	switch f.Kind {
	case "weekly":
		out.Every.Weekday = -1
		for d := time.Sunday; d <= time.Saturday; d++ {
			if d.String() == f.Weekday {
				out.Every.Weekday = d
			}
		}
	case "yearly":
		for m := time.January; m <= time.December; m++ {
			if m.String() == f.Month {
				out.Every.Month = m
			}
		}
	}
	if f.Kind != "weekly" && f.Kind != "daily" {
		out.Every.Day = number(f.Day)
	}
	return out, nil
}

// Check implements web.Schedules.
func (s Schedules) Check(ctx context.Context, f views.ScheduleForm) error {
	one, err := parse(f)
	if err != nil {
		return err
	}
	if f.ID == schedule.Checkpoint {
		return scheduleError(schedule.ErrBuiltIn)
	}
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return err
	}
	for _, name := range one.Sources {
		if _, ok := head.State.First(name); !ok {
			return &web.InputError{Sentence: fmt.Sprintf("There is no source %.60q.", name)}
		}
	}
	return scheduleError(s.Desk.Check(one))
}
