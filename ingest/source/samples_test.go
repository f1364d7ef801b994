package source_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
)

// eachSample calls f for each record under a folder of samples, whatever the
// containers of their authors are. The bytes of a record are the author's, except
// where the author wrote YAML.
func eachSample(t *testing.T, dir string, f func(sample)) {
	files := map[string][]byte{}
	var order []string
	samples(t, dir, func(path string, data []byte) {
		files[path] = data
		order = append(order, path)
	})
	for _, path := range order {
		name := filepath.ToSlash(path)
		name = name[strings.Index(name, "/samples/"+dir+"/")+len("/samples/"+dir+"/"):]
		records := contents(t, path, files[path])
		want := expectations(t, path, files)
		for i, raw := range records {
			s := sample{file: name, index: i, raw: raw}
			if i < len(want) {
				s.want = want[i].expectation()
			}
			f(s)
		}
	}
}

// contents cuts the records out of a file.
func contents(t *testing.T, path string, data []byte) [][]byte {
	switch name := filepath.Base(path); {
	case strings.HasSuffix(name, "-expected.json"), strings.HasSuffix(name, "-config.yml"):
		return nil
	case strings.HasSuffix(name, ".yml"), strings.HasSuffix(name, ".yaml"):
		return yamlContents(t, path, data)
	case strings.HasSuffix(name, ".log"), strings.HasSuffix(name, ".ndjson"):
		return lines(data)
	case strings.HasSuffix(name, ".json"), strings.HasSuffix(name, ".raw"):
		var list []jsontext.Value
		if decode(data, &list) == nil {
			return unwrapped(list)
		}
		var page map[string]jsontext.Value
		if decode(data, &page) != nil {
			return lines(data)
		}
		return pageContents(data, page)
	}
	return nil
}

func pageContents(data []byte, page map[string]jsontext.Value) [][]byte {
	var input struct {
		Message string `json:"message"`
	}
	if page["expected"] != nil && decode(page["input"], &input) == nil && input.Message != "" {
		return [][]byte{[]byte(input.Message)}
	}
	var list []jsontext.Value
	for _, key := range []string{"events", "Records", "items", "data", "value"} {
		if key == "events" && page["id"] != nil {
			continue
		}
		if decode(page[key], &list) == nil {
			return unwrapped(list)
		}
	}
	return [][]byte{data}
}

// decode is lenient: what is wrong in a record is for Normalize to find.
func decode(data []byte, v any) error {
	return json.Unmarshal(data, v, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

func lines(data []byte) (out [][]byte) {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	return out
}

// unwrapped takes records out of what their authors put around them.
func unwrapped(list []jsontext.Value) (out [][]byte) {
	for _, v := range list {
		var item map[string]jsontext.Value
		var wrap struct {
			Message string `json:"message"`
			Event   struct {
				Original string `json:"original"`
			} `json:"event"`
		}
		record := []byte(v)
		if decode(v, &item) == nil {
			err := decode(v, &wrap)
			switch {
			case item["json"] != nil && len(item) == 1:
				record = item["json"]
			case err == nil && wrap.Event.Original != "":
				record = []byte(wrap.Event.Original)
			case err == nil && wrap.Message != "" && len(item) <= 3:
				record = []byte(wrap.Message)
			}
		}
		out = append(out, record)
	}
	return out
}

// yamlContents takes the records out of the tests of detection rules.
func yamlContents(t *testing.T, path string, data []byte) (out [][]byte) {
	var rule struct {
		Tests []struct {
			Log any `yaml:"Log"`
		} `yaml:"Tests"`
		Samples []struct {
			Sample any `yaml:"sample"`
		} `yaml:"tests"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&rule); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	add := func(v any) {
		if text, ok := v.(string); ok {
			out = append(out, []byte(text))
			return
		}
		raw, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		out = append(out, raw)
	}
	for _, x := range rule.Tests {
		add(x.Log)
	}
	for _, x := range rule.Samples {
		add(x.Sample)
	}
	return out
}

// ecs is what we compare of a document in the Elastic Common Schema, or of an
// event of OCSF.
type ecs struct {
	Timestamp string `json:"@timestamp"`
	Event     struct {
		Outcome  string   `json:"outcome"`
		Category []string `json:"category"`
	} `json:"event"`
	User struct {
		ID, Name, Email string
		FullName        string `json:"full_name"`
	} `json:"user"`
	Source struct{ IP string } `json:"source"`

	Time   int64  `json:"time"`
	Status string `json:"status"`
	Actor  struct {
		User struct{ Name, UID string }
	} `json:"actor"`
	Endpoint struct{ IP string } `json:"src_endpoint"`
}

// expectations reads what the author of a file made of its records.
func expectations(t *testing.T, path string, files map[string][]byte) []ecs {
	read := func(data []byte, v any) {
		if err := json.Unmarshal(data, v, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			t.Logf("%s: what is expected cannot be read: %v", path, err)
		}
	}
	if data := files[path+"-expected.json"]; data != nil {
		var file struct{ Expected []ecs }
		read(data, &file)
		return file.Expected
	}
	if base, ok := strings.CutSuffix(path, ".raw"); ok && files[base+".ocsf"] != nil {
		var one ecs
		// One file has a comma too many.
		read(bytes.ReplaceAll(files[base+".ocsf"], []byte("},\n    },"), []byte("}\n    },")), &one)
		return []ecs{one}
	}
	if data := files[path]; bytes.Contains(data, []byte(`"expected"`)) && bytes.Contains(data, []byte(`"input"`)) {
		var file struct{ Expected ecs }
		read(data, &file)
		return []ecs{file.Expected}
	}
	return nil
}

func (d *ecs) expectation() expectation {
	w := expectation{ip: d.Source.IP, sections: categorySections(d.Event.Category)}
	if at, err := time.Parse(time.RFC3339Nano, d.Timestamp); err == nil {
		w.time = at
	} else if d.Time != 0 {
		w.time = time.UnixMilli(d.Time)
	}
	if d.Endpoint.IP != "" {
		w.ip = d.Endpoint.IP
	}
	for _, name := range []string{d.User.ID, d.User.Name, d.User.Email, d.User.FullName, d.Actor.User.Name, d.Actor.User.UID} {
		if name != "" {
			w.actors = append(w.actors, name)
		}
	}
	switch outcome := strings.ToLower(d.Event.Outcome + d.Status); outcome {
	case event.Success, event.Failure:
		w.outcome = outcome
	}
	return w
}

// categorySections are the sections that fit a category of the Elastic Common
// Schema: its categories are coarser than sections in one way and finer in another.
func categorySections(categories []string) []event.Section {
	if len(categories) != 1 {
		return nil
	}
	switch categories[0] {
	case "authentication":
		return []event.Section{event.Logins, event.FailedAuth, event.MFA, event.Credentials, event.Other}
	case "iam":
		return []event.Section{event.AdminChanges, event.AccessGrants, event.Credentials, event.MFA, event.FailedAuth}
	}
	return nil
}
