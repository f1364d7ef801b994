package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"
	"exhibit/internal/ledger"
)

// A witness holds a checkpoint of each day, the first one of it.
func TestWitness(t *testing.T) {
	t.Parallel()
	for name, witness := range map[string]func(t *testing.T) ingest.Witness{
		"directory": func(t *testing.T) ingest.Witness { return ingest.Witness{Name: "w", Directory: t.TempDir()} },
		"bucket": func(t *testing.T) ingest.Witness {
			return ingest.Witness{Name: "w", Bucket: buckettest.Start(t).Bucket(t, "checkpoints")}
		},
		"google": func(t *testing.T) ingest.Witness {
			return ingest.Witness{Name: "w", Bucket: buckettest.StartGoogle(t).Bucket(t, "checkpoints")}
		},
		"azure": func(t *testing.T) ingest.Witness { return ingest.Witness{Name: "w", Bucket: buckettest.Azure(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			w, place := s.open(), witness(t)
			if _, found, err := w.deposit(place); found || err != nil {
				t.Errorf("of nothing: %v, %v", found, err)
			}
			day, first := start(), w.log.Head()
			if put, err := place.Put(t.Context(), day, first.Checkpoint); !put || err != nil {
				t.Fatalf("put: %v, %v", put, err)
			}
			if _, err := w.importText(hcp(1, day, "create")+"\n", nil); err != nil {
				t.Fatal(err)
			}
			second := w.log.Head()
			if put, err := place.Put(t.Context(), day, second.Checkpoint); put || err != nil {
				t.Fatalf("the second of a day: %v, %v", put, err)
			}
			last, found, err := w.deposit(place)
			if err != nil || !found || !last.At.Equal(day) || last.Size != first.State.Size {
				t.Errorf("got %+v, %v, %v", last, found, err)
			}
			if put, err := place.Put(t.Context(), day.AddDate(0, 0, 1), second.Checkpoint); !put || err != nil {
				t.Fatalf("the next day: %v, %v", put, err)
			}
			if last, _, err := w.deposit(place); err != nil || last.Size != second.State.Size {
				t.Errorf("got %+v, %v", last, err)
			}
			// It counts after the key was changed, and that of the new key too.
			if err := w.rotate(); err != nil {
				t.Fatal(err)
			}
			if last, _, err := w.deposit(place); err != nil || last.Size != second.State.Size {
				t.Errorf("after a rotation: %+v, %v", last, err)
			}
		})
	}
}

func (w *writer) deposit(place ingest.Witness) (ingest.Deposit, bool, error) {
	return place.Last(w.t.Context(), w.db, w.log.Head(), w.log.Key)
}

func (w *writer) rotate() error {
	next, err := w.dir.NextKey(w.origin)
	if err != nil {
		return err
	}
	return w.log.Rotate(w.t.Context(), next)
}

// A share that is not mounted, and what is not this ledger's, is no witness.
func TestNoWitness(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	head := w.log.Head()
	gone := ingest.Witness{Name: "w", Directory: filepath.Join(t.TempDir(), "share")}
	if put, err := gone.Put(t.Context(), start(), head.Checkpoint); put || err == nil || !strings.Contains(err.Error(), "is the share mounted") {
		t.Errorf("a directory that is not there: %v, %v", put, err)
	}
	if _, err := os.Stat(gone.Directory); err == nil {
		t.Error("the directory was made")
	}
	if _, _, err := w.deposit(gone); err == nil {
		t.Error("a directory that is not there holds something")
	}
	other := newSite(t)
	other.origin = "another.example/log"
	foreign := other.open().log.Head().Checkpoint
	twin := newSite(t).open() // of the same origin, with a key of its own
	again := twin.log.Head().Checkpoint
	c := ledger.Checkpoint{Origin: s.origin, Size: head.State.Size, At: head.State.At}
	var err error
	if c.Root, err = head.Tree.Hash(c.Size); err != nil {
		t.Fatal(err)
	}
	forged, err := c.Sign(twin.log.Key)
	if err != nil {
		t.Fatal(err)
	}
	c.Size += 10
	ahead, err := c.Sign(w.log.Key)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"not a checkpoint": "x", "a checkpoint of another.example/log": foreign, "changed or rebuilt": again,
		"not signed by a trusted key": forged, "the ledger lost some": ahead} {
		place := ingest.Witness{Name: "w", Directory: t.TempDir()}
		if _, err := place.Put(t.Context(), start(), text); err != nil {
			t.Fatal(err)
		}
		if _, found, err := w.deposit(place); found || err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v, %v", what, found, err)
		}
	}
}

// A witness is another's directory: what else lies there is no concern of ours.
func TestWitnessPassesOverOtherFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	dir := filepath.Join(t.TempDir(), "a[b")
	if err := os.Mkdir(filepath.Join(filepath.Dir(dir), filepath.Base(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	address := "file://" + filepath.ToSlash(t.TempDir()) + "?no_tmp_dir=true&metadata=skip"
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, witness := range []ingest.Witness{{Name: "w", Directory: dir}, {Name: "w", Bucket: address}} {
		day := start()
		if put, err := witness.Put(t.Context(), day, w.log.Head().Checkpoint); !put || err != nil {
			t.Fatalf("put: %v, %v", put, err)
		}
		for _, name := range []string{"zzz.checkpoint", "9999-99-99.checkpoint", "notes.txt", "2099-01-02.checkpoint/inside"} {
			if witness.Bucket != "" {
				err = b.WriteAll(t.Context(), name, []byte("x"), nil)
			} else if name = strings.ReplaceAll(name, "/", "_"); true {
				err = os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		last, found, err := w.deposit(witness)
		if err != nil || !found || !last.At.Equal(day.UTC().Truncate(24*time.Hour)) || last.Size != w.log.Head().State.Size {
			t.Errorf("got %+v, %v, %v", last, found, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "2099-01-01.checkpoint"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, found, err := w.deposit(ingest.Witness{Name: "w", Directory: dir}); !found || err != nil {
		t.Errorf("beside a folder: %v, %v", found, err)
	}
}
