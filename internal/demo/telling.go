package demo

import (
	"math/rand/v2"
	"slices"
	"time"
)

// telling writes the events of one stretch of time at a time into its own
// memory, which the next stretch uses again.
type telling struct {
	org      *organisation
	people   []float64 // running totals of the weights of the stories
	services []float64
	pcg      *rand.PCG
	rng      *rand.Rand
	buf      []byte
	told     []told

	// Of the story being told:
	hero      actor
	workspace object
	project   object
	team      object
	person    actor
	ids       []object // made by the story; name is the prefix
}

type told struct {
	second   int // from the start of the stretch
	from, to int // in buf
}

func newTelling(seed uint64) *telling {
	totals := func(stories []story) []float64 {
		var sum float64
		var out []float64
		for _, s := range stories {
			sum += s.weight
			out = append(out, sum)
		}
		return out
	}
	pcg := rand.NewPCG(0, 0)
	return &telling{org: newOrganisation(seed), pcg: pcg, rng: rand.New(pcg),
		people: totals(peopleStories), services: totals(serviceStories)}
}

// stretch tells exactly count events of the seconds from start on, in order of
// time. What it tells depends on its arguments and the organisation alone.
func (t *telling) stretch(seed uint64, start time.Time, seconds, count int, office bool) {
	t.pcg.Seed(seed, uint64(start.Unix()))
	t.buf, t.told = t.buf[:0], t.told[:0]
	start = start.UTC()
	for len(t.told) < count {
		s := t.pick(office)
		lasts := min(s.seconds, seconds/2) // so that stories of a short stretch do not all begin with it
		at := t.rng.IntN(max(seconds-lasts, 1))
		pause := max(lasts/len(s.steps), 1)
		for i := range s.steps {
			if len(t.told) == count {
				break
			}
			at = min(at, seconds-1)
			from := len(t.buf)
			t.event(&s.steps[i], start, start.Add(time.Duration(at)*time.Second))
			t.told = append(t.told, told{at, from, len(t.buf)})
			at += t.rng.IntN(pause)
		}
	}
	slices.SortStableFunc(t.told, func(a, b told) int { return a.second - b.second })
}

// pick chooses who does what, and where.
func (t *telling) pick(office bool) *story {
	o, rng := t.org, t.rng
	t.ids = t.ids[:0]
	w := rng.IntN(len(o.workspaces))
	t.workspace = o.workspaces[w]
	t.project = o.projects[min(w/6, len(o.projects)-1)]
	t.team = o.teams[rng.IntN(len(o.teams))]
	t.person = o.people[rng.IntN(len(o.people))]
	t.hero = o.people[rng.IntN(len(o.people))]
	stories, totals := peopleStories, t.people
	byService := 0.85
	if office {
		byService = 0.25
	}
	if rng.Float64() < byService {
		stories, totals = serviceStories, t.services
		t.hero = o.services[rng.IntN(len(o.services))]
	}
	x := rng.Float64() * totals[len(totals)-1]
	i, _ := slices.BinarySearch(totals, x)
	return &stories[min(i, len(stories)-1)]
}

// event appends one event at a moment of the stretch that began at start.
func (t *telling) event(s *step, start, at time.Time) {
	b := append(t.buf, `{"id":"`...)
	b = appendUUID(b, t.rng)
	b = append(b, `","version":"0","type":"Resource","timestamp":"`...)
	b = at.AppendFormat(b, stampLayout)
	b = append(b, `",`...)
	actor, request := t.hero, true
	switch s.by {
	case system:
		actor, request = t.org.system, false
	case support:
		actor = t.org.support
	}
	b = append(b, actor.auth...)
	b = append(b, `,"request":{"id":`...)
	if request {
		b = append(b, '"')
		b = appendUUID(b, t.rng)
		b = append(b, '"')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `},"resource":{"id":"`...)
	b = append(b, t.id(s.id)...)
	b = append(b, `","type":"`...)
	b = append(b, s.kind...)
	b = append(b, `","action":"`...)
	b = append(b, s.action...)
	b = append(b, `","meta":`...)
	b = t.meta(b, s.meta, start)
	t.buf = append(b, "}}"...)
}

// id is the id that a step names; one that the story makes stays the same to its
// end.
func (t *telling) id(name string) string {
	switch name {
	case theWorkspace:
		return t.workspace.id
	case theProject:
		return t.project.id
	case theTeam:
		return t.team.id
	case theOrg:
		return t.org.id
	}
	for _, made := range t.ids {
		if made.name == name {
			return made.id
		}
	}
	id := string(appendID([]byte(name), t.rng))
	t.ids = append(t.ids, object{id, name})
	return id
}
