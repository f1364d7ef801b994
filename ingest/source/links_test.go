package source

import (
	"strings"
	"testing"
)

func TestLinkNext(t *testing.T) {
	for _, x := range []struct {
		headers []string
		want    string
		bad     bool
	}{
		{nil, "", false},
		{[]string{`<https://a/?x=1>; rel="self"`}, "", false},
		{[]string{`<https://a/?x=1>; rel="self"`, `<https://a/?x=1&after=2,3>; rel="next"`}, "https://a/?x=1&after=2,3", false},
		{[]string{`<https://a/>; rel="self", <https://a/?after=1>; rel=next`}, "https://a/?after=1", false},
		{[]string{`<b>;title="a, <c>; rel=next";REL=NEXT`}, "b", false},
		{[]string{`<b>; rel="next",<b>; rel="next"`}, "b", false},
		{[]string{`<b>; rel="next"`, `<c>; rel="next"`}, "", true},
		{[]string{`<b; rel="next"`}, "", true},
		{[]string{`<>; rel="next", <c>; rel="next"`}, "", true},
		{[]string{`, ,;<`}, "", true},
	} {
		got, err := linkNext(x.headers)
		if got != x.want || (err != nil) != x.bad {
			t.Errorf("%q: got %q, %v; want %q", x.headers, got, err, x.want)
		}
	}
}

func FuzzLinkNext(f *testing.F) {
	f.Add(`<https://a/>; rel="self", <https://a/?after=1>; rel=next`)
	f.Add(`<b>;title="a, <c>; rel=next";REL=NEXT`)
	f.Add(`<`)
	f.Fuzz(func(t *testing.T, header string) {
		got, err := linkNext([]string{header})
		if err != nil && got != "" || !strings.Contains(header, "<"+got+">") && got != "" {
			t.Errorf("got %q, %v", got, err)
		}
		if joined, again := linkNext([]string{header, header}); joined != got || (again != nil) != (err != nil) {
			t.Errorf("twice: got %q, %v; once %q, %v", joined, again, got, err)
		}
	})
}
