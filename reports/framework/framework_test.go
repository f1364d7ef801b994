package framework

import "testing"

func TestLoad(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		t.Log(f.ID, len(f.Controls), len(f.Hash))
	}
}
