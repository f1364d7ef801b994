package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// scalrWork is what people do in Scalr: request, kind of target, its name, and the
// status that the answer had.
var scalrWork = []struct {
	action, kind, name string
	status             int
}{
	{"create-run", "runs", "run", 201}, {"confirm-run", "runs", "run", 202}, {"discard-run", "runs", "run", 202},
	{"update-workspace", "workspaces", "edge-cdn-prod", 200}, {"create-variable", "vars", "TF_VAR_region", 201},
	{"create-access-policy", "access-policies", "edge operators", 201}, {"delete-agent-pool", "agent-pools", "edge", 403},
}

// ScalrEvent is an entry of Scalr's audit log as Amazon EventBridge delivers it.
func ScalrEvent(rng *rand.Rand, at time.Time) []byte {
	person := rng.IntN(len(peopleNames))
	w := scalrWork[rng.IntN(len(scalrWork))]
	id := "v0o" + strings.ToLower(string(appendID(nil, rng)))
	result := "SUCCESS"
	if w.status >= 400 {
		result = "FAILURE"
	}
	entry := map[string]any{
		"timestamp": at.UTC().Format("2006-01-02T15:04:05.000000"), "hostname": "fernhill.scalr.io", "service": "audit-log",
		"actor": map[string]any{"id": "user-" + peopleNames[person], "type": "user", "email": strings.ReplaceAll(peopleNames[person], "-", ".") + "@fernhill.example",
			"access-token": map[string]any{"type": "session", "token": "...x7Q"}},
		"request": map[string]any{"id": string(appendUUID(nil, rng)), "action": w.action, "source": "ui", "ip-address": fmt.Sprintf("198.51.100.%d", 20+person), "user-agent": "Mozilla/5.0"},
		"outcome": map[string]any{"result": result, "status-code": w.status},
		"target": map[string]any{"id": w.kind + "-" + id, "type": w.kind, "display-name": w.name, "context": map[string]any{
			"account": map[string]any{"id": "acc-fernhill", "display-name": "fernhill"}, "environment": map[string]any{"id": "env-edge", "display-name": "Edge"}}},
	}
	text, err := json.Marshal(map[string]any{"version": "0", "id": string(appendUUID(nil, rng)), "detail-type": "AuditLog", "source": "aws.partner/scalr.com/fernhill",
		"account": trailAccount, "time": at.UTC().Format(time.RFC3339), "region": trailRegion, "resources": []string{}, "detail": map[string]any{"event": entry}})
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return text
}
