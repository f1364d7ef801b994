package push_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"exhibit/ingest/push"
)

// postSlowly sends what is written to the pipe, and says what the answer was.
func (x *rig) postSlowly(of string, size int64) (*io.PipeWriter, <-chan int) {
	body, w := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/ingest/"+of, body)
	r.ContentLength = size
	r.Header.Set("Authorization", "Bearer "+x.tokens[of])
	status := make(chan int, 1)
	go func() {
		recorder := httptest.NewRecorder()
		x.ServeHTTP(recorder, r)
		status <- recorder.Code
	}()
	return w, status
}

// One source cannot take the memory of the others, whatever it says that it will send.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t, push.Limits{Held: 2 << 20})
		var slow []*io.PipeWriter
		var ended []<-chan int
		for range 32 { // 128 KiB each: more than all may hold
			w, status := x.postSlowly("json", 1<<20)
			slow, ended = append(slow, w), append(ended, status)
			go func() { _, _ = w.Write([]byte(strings.Repeat(" ", 100<<10))) }()
		}
		synctest.Wait()
		for range 12 {
			w, status := x.postSlowly("okta", 1<<20) // 4 KiB each
			slow, ended = append(slow, w), append(ended, status)
		}
		synctest.Wait()
		if status, answer, _ := x.post("scalr", "/ingest/scalr", []byte(strings.Repeat("{}\n", 1000))); status != 200 {
			t.Errorf("another source got %d %s", status, answer)
		}
		if status, answer, _ := x.post("okta", "/ingest/okta", []byte("{}")); status != 200 {
			t.Errorf("the source itself got %d %s", status, answer)
		}
		for _, w := range slow {
			_ = w.Close()
		}
		codes := map[int]int{}
		for _, status := range ended {
			codes[<-status]++
		}
		if codes[200] < 12 || codes[200]+codes[503] != 44 {
			t.Errorf("got %v", codes)
		}
	})
}

// A request waits for memory and disk once, not for each: EventBridge gives up after
// five seconds.
func TestWaitsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRig(t, push.Limits{Held: 512 << 10})
		w, first := x.postSlowly("json", -1)
		if _, err := w.Write([]byte(strings.Repeat(" ", 100<<10))); err != nil { // it holds all that the source may
			t.Fatal(err)
		}
		synctest.Wait()
		second := make(chan int, 1)
		go func() {
			status, _, _ := x.post("json", "/ingest/json", []byte(`{}`))
			second <- status
		}()
		third := make(chan int, 1)
		began := time.Now()
		time.Sleep(3 * time.Second)
		go func() {
			status, _, _ := x.post("json", "/ingest/json", []byte(strings.Repeat(" ", 40<<10)))
			third <- status
		}()
		synctest.Wait()
		_ = w.Close()
		if status := <-second; status != 200 {
			t.Errorf("who waited three seconds got %d", status)
		}
		if status := <-third; status != 200 {
			t.Errorf("who waited for nothing got %d", status)
		}
		if <-first != 200 || time.Since(began) != 3*time.Second {
			t.Errorf("it took %s", time.Since(began))
		}
		for _, left := range x.spool.left {
			if left == time.Second {
				return
			}
		}
		t.Errorf("after three seconds the spool had %v left", x.spool.left)
	})
}

// A body that comes too slowly is to be sent again, and missing until then.
func TestSlowBody(t *testing.T) {
	x := newRig(t, push.Limits{Read: 50 * time.Millisecond})
	server := httptest.NewServer(x)
	defer server.Close()
	body, w := io.Pipe()
	defer w.Close()
	r, err := http.NewRequest(http.MethodPost, server.URL+"/ingest/json", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+x.tokens["json"])
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || strings.Join(x.spool.refused, ",") != "json" || counted(x, "too slow") != 1 {
		t.Errorf("got %d %v; missing at %v", resp.StatusCode, resp.Header, x.spool.refused)
	}
}

// A sender that is there and hears that its body is wrong drops it: it is missing.
func TestWrongChunks(t *testing.T) {
	x := newRig(t, push.Limits{})
	server := httptest.NewServer(x)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /ingest/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nAuthorization: "+x.tokens["json"]+"\r\n\r\nno number\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || strings.Join(x.spool.refused, ",") != "json" {
		t.Errorf("got %s, %v; missing at %v", answer, err, x.spool.refused)
	}
}
