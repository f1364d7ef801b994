package push

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The types of bodies that OTLP has.
const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// takeOTLP takes log records of OpenTelemetry. Each is one record: the JSON form of a
// request with this log record alone, so that it keeps its resource and scope.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
func (h *Handler) takeOTLP(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	kind := otlpType(r)
	if kind == "" {
		return &fault{status: http.StatusUnsupportedMediaType, why: whyEncoding, text: "the Content-Type must be application/x-protobuf or application/json"}
	}
	cut := logRecords{batch: h.batch(b), room: h.Limits.Plain}
	err := errDamaged
	if !b.damaged && kind == typeProtobuf {
		err = cut.protobuf(b.data)
	} else if !b.damaged {
		err = cut.json(b.data)
	}
	switch {
	case errors.Is(err, errTooLarge):
		return &fault{status: http.StatusRequestEntityTooLarge, why: whyTooLarge, text: "too many log records for one resource in one request; send fewer at once"}
	case limited(err):
		return h.readFault(err)
	case err != nil:
		// It is kept as it came; the sender must not send it again.
		whole := h.batch(b)
		if _, f := h.keep(who, whole, whole.add(b.data)); f != nil {
			return f
		}
		return &fault{status: http.StatusBadRequest, why: whyMalformed, text: "the body cannot be decoded: " + err.Error(), kept: true, cause: err}
	}
	if _, f := h.keep(who, cut.batch, nil); f != nil {
		return f
	}
	if cut.wrong > 0 {
		h.counts.add(who.source, whyMalformed, 1)
	}
	succeedOTLP(w, kind, cut.wrong)
	return nil
}

var errDamaged = errors.New("it cannot be uncompressed")

// otlpType returns the type of the body, which is that of the answer.
func otlpType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != typeProtobuf && kind != typeJSON {
		return ""
	}
	return kind
}

// succeedOTLP answers that the request was taken, but for so many log records: these
// were kept as they came and must not be sent again.
func succeedOTLP(w http.ResponseWriter, kind string, wrong int64) {
	words := ""
	if wrong > 0 {
		words = "they are no log records; they are kept as rejects"
	}
	if kind == typeJSON {
		text := `{}`
		if wrong > 0 {
			text = `{"partialSuccess":{"rejectedLogRecords":"` + strconv.FormatInt(wrong, 10) + `","errorMessage":` + quote(words) + `}}`
		}
		answer(w, http.StatusOK, text)
		return
	}
	response := &collector.ExportLogsServiceResponse{}
	if wrong > 0 {
		response.PartialSuccess = &collector.ExportLogsPartialSuccess{RejectedLogRecords: wrong, ErrorMessage: words}
	}
	out, err := proto.Marshal(response)
	if err != nil {
		// It cannot be: all texts are ours. The records are kept, and an empty answer says so.
		out = nil
	}
	answerProtobuf(w, http.StatusOK, out)
}

func answerProtobuf(w http.ResponseWriter, status int, out []byte) {
	w.Header().Set("Content-Type", typeProtobuf)
	w.WriteHeader(status)
	_, _ = w.Write(out) // who has gone sends again
}

// refuseOTLP answers with a google.rpc.Status in the type of the request. Exporters
// send again after 429, 502, 503 and 504 only.
func refuseOTLP(w http.ResponseWriter, r *http.Request, f *fault) {
	code := rpcCode(f.status)
	if otlpType(r) == typeProtobuf {
		var out []byte
		out = protowire.AppendVarint(protowire.AppendTag(out, 1, protowire.VarintType), uint64(code))
		out = protowire.AppendString(protowire.AppendTag(out, 2, protowire.BytesType), f.text)
		answerProtobuf(w, f.status, out)
		return
	}
	answer(w, f.status, `{"code":`+strconv.Itoa(code)+`,"message":`+quote(f.text)+`}`)
}

// rpcCode returns the code of gRPC for a status of HTTP.
func rpcCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return 16
	case http.StatusForbidden:
		return 7
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return 8
	case http.StatusServiceUnavailable:
		return 14
	}
	return 3
}
