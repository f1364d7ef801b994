package words

import (
	"math"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Number(0), "0"}, {Number(999), "999"}, {Number(1000), "1,000"}, {Number(uint64(math.MaxUint64)), "18,446,744,073,709,551,615"}, {Number(int64(-1234567)), "−1,234,567"},
		{Plural(1, "day", "days"), "1 day"}, {Plural(0, "day", "days"), "0 days"}, {Plural(2000, "day", "days"), "2,000 days"},
		{Size(1), "1 byte"}, {Size(999), "999 bytes"}, {Size(88_000), "88.0 kB"}, {Size(int64(3_200_000_000)), "3.2 GB"}, {Size(uint64(5e15)), "5000.0 TB"},
		{Share(1), "100 %"}, {Share(0.99999), "99.9 %"}, {Share(0), "0 %"}, {Share(0.0001), "under 0.1 %"}, {Share(0.5), "50.0 %"},
		{Length(0), "0 s"}, {Length(20 * time.Second), "20 s"}, {Length(90 * time.Minute), "1 h 30 min"}, {Length(3 * time.Hour), "3 h"}, {Length(126 * time.Hour), "5 d 6 h"}, {Length(88*24*time.Hour + 6*time.Hour), "88 d"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
