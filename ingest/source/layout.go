package source

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Layout says how a vendor lays out what it writes to a bucket, and when that
// shows that nothing of a time is missing. The zero Layout is that of a bucket of
// which nothing is known: all of it is listed, and nothing proves its time.
type Layout struct {
	// Days is the form, for package time, of the folders that hold a day's objects:
	// "2006/01/02/", below any folders. Empty: it is not published, and dates are looked
	// for in the keys.
	Days string
	// LookBack is how long objects of a day may still appear or be written again.
	LookBack time.Duration
	// Closed is how long after its end a day is closed; the default of the setting
	// closed_after. 0: a day is never closed by its objects.
	Closed time.Duration
	// Whole says that an object holds a whole day and is written once, when the day is
	// over. Otherwise a day has many objects, and only one of a later day shows that the
	// vendor went on writing.
	Whole bool
	// Digests says that there are digests of CloudTrail, which prove hours.
	Digests bool
	// Skip reports whether a folder, whose name ends with a slash, is that of another
	// service.
	Skip func(folder string) bool
}

// closedAfter is the setting of kinds whose layout closes days.
func closedAfter(after string) Setting {
	return Setting{Name: "closed_after", Type: Length, Default: after,
		Doc: "of a source with a bucket: how long after the end of a day its objects are complete, such as " + after}
}

// trailLayout is how CloudTrail writes. Log files and digests of a day lie in
// folders beside each other, below accounts and regions.
func trailLayout() Layout {
	return Layout{Days: "2006/01/02/", LookBack: 24 * time.Hour, Digests: true, Skip: otherService}
}

// awsService matches what AWS services write under: AWSLogs/[organisation/]account/service/.
var awsService = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/([^/]+)/$`)

func otherService(folder string) bool {
	m := awsService.FindStringSubmatch(folder)
	return m != nil && !strings.HasPrefix(m[1], "CloudTrail")
}

// DayIn returns the one UTC day that a key names, as 2026-03-01, 20260301 or
// 2026/03/01. False: it names none, or several.
func DayIn(key string) (day time.Time, ok bool) {
	for _, m := range dayInKey.FindAllStringSubmatch(key, -1) {
		d, err := time.Parse("20060102", m[1]+m[2]+m[3])
		if err != nil {
			continue
		}
		if ok && !d.Equal(day) {
			return time.Time{}, false
		}
		day, ok = d, true
	}
	return day, ok
}

var dayInKey = regexp.MustCompile(`(?:\b|[^0-9])(20[0-9]{2})[-/_.]?([01][0-9])[-/_.]?([0-3][0-9])`)

// FromBucket returns the kind as a source of it is that is read from a bucket: none
// of what a puller needs is required, and how long the objects stay is for the owner
// of the bucket to say.
func (k Kind) FromBucket() Kind {
	k.Settings = slices.Clone(k.Settings)
	for i := range k.Settings {
		k.Settings[i].Required = false
	}
	k.NewPuller, k.Shape, k.Piece, k.Keeps = nil, Pushed, 0, 0
	return k
}
