package pack

import (
	"bytes"
	"errors"
	"fmt"

	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
)

// tables makes the small tables and the counts again and compares.
func (v *verifier) tables(s *Summary) error {
	compare := func(name string, t table) error {
		b, err := v.c.read(name, max(int64(len(t.b)), 1<<20))
		switch {
		case errors.Is(err, errMissing):
		case err != nil:
			v.unreadable(name, err)
		case !bytes.Equal(b, t.b):
			same := 0
			for same < len(b) && same < len(t.b) && b[same] == t.b[same] {
				same++
			}
			v.find(name, fmt.Sprintf("it differs from line %d on: records, lines and manifest say otherwise", 1+bytes.Count(t.b[:same], []byte("\n"))), doNotRely)
		}
		return nil
	}
	cells, err := smallTables(s, v.m.Zone, compare)
	if err != nil {
		return err
	}
	t := controls(v.m.Controls, &s.Counts)
	s.Counts.Cells += cells + t.cells
	v.res.Counts = s.Counts
	if err := compare("controls.csv", t); err != nil {
		return err
	}
	v.compareCounts(&s.Counts)
	return nil
}

// compareCounts compares the manifest's counts with those that were counted.
func (v *verifier) compareCounts(counted *Counts) {
	for _, one := range []struct {
		name        string
		want, state any
	}{
		{"first_record", counted.First, v.m.Counts.First},
		{"size", counted.Size, v.m.Counts.Size},
		{"events", counted.Events, v.m.Counts.Events},
		{"lines", counted.Lines, v.m.Counts.Lines},
		{"erased", counted.Erased, v.m.Counts.Erased},
		{"refiled", counted.Refiled, v.m.Counts.Refiled},
		{"rejects", counted.Rejects, v.m.Counts.Rejects},
		{"cells", counted.Cells, v.m.Counts.Cells},
		{"segments", counted.Segments, v.m.Counts.Segments},
		{"sections", counted.Sections, v.m.Counts.Sections},
		{"sources", counted.Sources, v.m.Counts.Sources},
		{"absent", counted.Absent, v.m.Counts.Absent},
	} {
		want, err := json.Marshal(one.want, json.Deterministic(true))
		state, err2 := json.Marshal(one.state, json.Deterministic(true))
		if err != nil || err2 != nil || !bytes.Equal(want, state) {
			v.find("manifest.json", fmt.Sprintf("its count %q is %s; lines and records give %s", one.name, short(state), short(want)), doNotRely)
		}
	}
	if !v.m.At.Equal(v.r.state.At) {
		v.find("manifest.json", fmt.Sprintf("it dates the log at %s; its last record is of %s", v.m.At.Format(event.TimeFormat), v.r.state.At.Format(event.TimeFormat)), doNotRely)
	}
}

func short(b []byte) string {
	if len(b) > 200 {
		return string(b[:200]) + "..."
	}
	return string(b)
}
