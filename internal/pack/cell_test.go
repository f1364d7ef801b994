package pack

import "testing"

func TestRisky(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "ann": false, "1": false, "a=b": false, " ann": false, "ann ": false, "Zoë": false, "\u00a0x": false,
		"=1+1": true, "+1": true, "-1": true, "@x": true, "|x": true, "%x": true, "\tx": true, "\rx": true, "\nx": true, "'x": true,
		"  =1": true, "\u00a0=1": true, "\u3000＝1": true, "＝1": true, "＋1": true, "－1": true, "＠x": true, "％x": true, "｜x": true,
		"\u200b=1": true, "\ufeff=1": true, " \t=1": true, "\x00=1": true,
	} {
		if got := risky(s); got != want {
			t.Errorf("risky(%q) = %v", s, got)
		}
	}
}
