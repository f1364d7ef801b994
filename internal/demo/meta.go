package demo

import (
	"strconv"
	"time"
)

// meta appends resource.meta in the shape that HCP Terraform documents for the
// event. A policy check names run and workspace at the top, a policy evaluation
// under payload: the vendor's own difference.
func (t *telling) meta(b []byte, m meta, start time.Time) []byte {
	str := func(key, value string) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, key...)
		b = append(b, `":"`...)
		b = append(b, value...)
		b = append(b, '"')
	}
	raw := func(s string) { b = append(b, s...) }

	switch m {
	case noMeta:
		return append(b, "null"...)
	case teamMeta:
		raw("{")
		str("team", t.team.name)
		str("permissions", permissions[t.rng.IntN(len(permissions))])
	case memberMeta:
		raw("{")
		str("user", t.person.name)
	case checkMeta, checkPassedMeta, checkSoftFailedMeta, checkHardFailedMeta, checkOverriddenMeta:
		b = t.checkMeta(b, m)
	case evaluationMeta:
		raw(`{"comment":null,"actor":"policy-owners","payload":{`)
		b = t.runAndWorkspace(b)
		raw("}")
	case taskMeta:
		raw(`{"task_name":"cost-estimate","task_category":"task","task_url":"https://tasks.example.com/cost","task_enabled":true,"task_hmac_key_present":true`)
	case taskResultMeta:
		b = t.taskResultMeta(b, start)
	case workspaceTaskMeta:
		raw(`{"task_enforcement_level":"advisory","task_stage":"post_plan"`)
		str("workspace", t.workspace.name)
		str("workspace_id", t.workspace.id)
		str("organization_task", "cost-estimate")
		str("organization_task_id", t.id("task-"))
	case commentMeta:
		raw("{")
		str("resource", t.workspace.id)
	case versionMeta:
		raw(`{"version":`)
		b = appendNumber(b, 1+t.rng.IntN(9))
	case retentionMeta:
		raw(`{"delete_older_than_n_days":365`)
		str("organization", t.org.name)
		str("organization_id", t.org.id)
	}
	return append(b, '}')
}

var runMessages = []string{
	"Triggered via UI", "Merge pull request from release branch", "Rotate database credentials",
	"Scale out worker pool", "Nightly drift check", "Update base image", "Add egress rule for partner",
}

var (
	policies = []string{
		"require-owner-tag", "restrict-instance-size", "deny-public-buckets", "require-encrypted-volumes",
		"restrict-egress", "limit-iam-wildcards",
	}
	enforcement = []string{"soft-mandatory", "hard-mandatory"}
)

func (t *telling) runAndWorkspace(b []byte) []byte {
	b = append(b, `"run":{"id":"`...)
	b = append(b, t.id("run-")...)
	b = append(b, `","message":"`...)
	b = append(b, runMessages[t.rng.IntN(len(runMessages))]...)
	b = append(b, `"},"workspace":{"id":"`...)
	b = append(b, t.workspace.id...)
	b = append(b, `","name":"`...)
	b = append(b, t.workspace.name...)
	return append(b, `"}`...)
}

func (t *telling) checkMeta(b []byte, m meta) []byte {
	b = append(b, `{"comment":null,`...)
	b = t.runAndWorkspace(b)
	soft, hard, failed := 0, 0, -1
	switch m {
	case checkMeta:
		return b
	case checkOverriddenMeta:
		b = append(b, `,"actor":"`...)
		b = append(b, t.hero.name...)
		return append(b, '"')
	case checkSoftFailedMeta:
		soft, failed = 1, 0 // the first policy is soft-mandatory
	case checkHardFailedMeta:
		hard, failed = 1, 1 // the second hard-mandatory
	}
	b = append(b, `,"result":[`...)
	for i, policy := range policies {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"policy":"`...)
		b = append(b, policy...)
		b = append(b, `","enforcement_level":"`...)
		b = append(b, enforcement[i%len(enforcement)]...)
		b = append(b, `","result":`...)
		b = strconv.AppendBool(b, i != failed)
		b = append(b, '}')
	}
	b = append(b, `],"passed":`...)
	b = appendNumber(b, len(policies)-soft-hard)
	b = append(b, `,"total_failed":`...)
	b = appendNumber(b, soft+hard)
	b = append(b, `,"hard_failed":`...)
	b = appendNumber(b, hard)
	b = append(b, `,"soft_failed":`...)
	b = appendNumber(b, soft)
	b = append(b, `,"advisory_failed":0,"duration_ms":`...)
	b = appendNumber(b, 200+t.rng.IntN(3000))
	return append(b, `,"sentinel":"0.26.3"`...)
}

func (t *telling) taskResultMeta(b []byte, start time.Time) []byte {
	status := "passed"
	if t.rng.IntN(12) == 0 {
		status = "failed"
	}
	b = append(b, `{"task_result_status":"`...)
	b = append(b, status...)
	b = append(b, `","task_result_url":"https://tasks.example.com/cost/results","task_result_message":"Monthly cost within budget","workspace":"`...)
	b = append(b, t.workspace.name...)
	b = append(b, `","workspace_id":"`...)
	b = append(b, t.workspace.id...)
	b = append(b, `","run_id":"`...)
	b = append(b, t.id("run-")...)
	b = append(b, `","run_created_at":"`...)
	b = start.UTC().AppendFormat(b, stampLayout)
	b = append(b, `","run_created_by":"`...)
	b = append(b, t.hero.name...)
	b = append(b, `","run_message":"`...)
	b = append(b, runMessages[t.rng.IntN(len(runMessages))]...)
	return append(b, `","run_is_speculative":false,"workspace_task_stage":"post_plan","workspace_task_enforcement":"advisory","organization_task":"cost-estimate"`...)
}

func appendNumber(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
