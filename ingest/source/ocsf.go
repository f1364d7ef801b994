package source

import (
	"fmt"
	"strconv"
	"strings"
)

// activities are the OCSF activities of the classes that rules use, and the
// verbs that tell one from the other.
type activities struct {
	classes map[uint32]map[string]uint32 // class to activity name to id
	verbs   []verb
}

// A verb is a pattern for the last part of an action and the activities that it
// stands for; the first that the class has is meant.
type verb struct {
	pattern string
	names   []string
}

// otherActivity is the id that every OCSF class gives to what it has no name for.
const otherActivity = 99

func readActivities(ocsf, verbs [][]string) (activities, error) {
	a := activities{classes: map[uint32]map[string]uint32{}}
	for _, row := range ocsf {
		class, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			return a, fmt.Errorf("source: rules ocsf: class %q is not a number", row[0])
		}
		id, err := strconv.ParseUint(row[2], 10, 32)
		if err != nil {
			return a, fmt.Errorf("source: rules ocsf: activity %q is not a number", row[2])
		}
		names := a.classes[uint32(class)]
		if names == nil {
			names = map[string]uint32{"Other": otherActivity}
			a.classes[uint32(class)] = names
		}
		names[row[3]] = uint32(id)
	}
	for _, row := range verbs {
		a.verbs = append(a.verbs, verb{row[0], strings.Split(row[1], ",")})
	}
	return a, nil
}

// id returns the activity id for a name in the class, or for the verb of the action.
func (a *activities) id(class uint32, name, action string) uint32 {
	names := a.classes[class]
	if name != byVerb {
		return names[name]
	}
	last := snake(action[strings.LastIndexAny(action, ".:")+1:])
	for _, v := range a.verbs {
		if !match(v.pattern, last) {
			continue
		}
		for _, name := range v.names {
			if id, ok := names[name]; ok {
				return id
			}
		}
	}
	return otherActivity
}

// snake writes CreateUser, create-user and create_user in the same way.
func snake(s string) string {
	var b strings.Builder
	for i, c := range s {
		switch upper := 'A' <= c && c <= 'Z'; {
		case upper && i > 0 && !('A' <= s[i-1] && s[i-1] <= 'Z'):
			b.WriteByte('_')
			fallthrough
		case upper:
			b.WriteRune(c + 'a' - 'A')
		case c == '-', c == ' ':
			b.WriteByte('_')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
