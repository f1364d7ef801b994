package demo

// A story is what somebody did in one go, as the audit trail tells it.
type story struct {
	weight  float64 // how often, against the other stories of its list
	seconds int     // how long it takes at most
	steps   []step
}

// A step is one event of a story.
type step struct {
	kind, action string // resource.type, resource.action
	id           string // which id resource.id has: a prefix for one that the story makes, or one of the names below
	meta         meta   // what resource.meta holds
	by           by     // who did it, the hero of the story by default
}

// Names of objects that exist before the story begins; step.id may be one.
const (
	theWorkspace = "workspace"
	theProject   = "project"
	theTeam      = "team"
	theOrg       = "organisation"
)

type by int

const (
	hero    by = iota
	system     // HCP Terraform itself
	support    // vendor support in the name of a person
)

// meta names a shape of resource.meta.
type meta int

const (
	noMeta meta = iota
	teamMeta
	memberMeta
	checkMeta
	checkPassedMeta
	checkSoftFailedMeta
	checkHardFailedMeta
	checkOverriddenMeta
	evaluationMeta
	taskMeta
	taskResultMeta
	workspaceTaskMeta
	commentMeta
	versionMeta
	retentionMeta
)

// peopleStories is what people do. Types and actions are those that HCP Terraform
// documents, but for workspace create, lock and unlock, which it logs without
// documenting, and the last four stories, which no table of anybody knows.
var peopleStories = []story{
	{22, 900, append(checkedRun(),
		step{"run", "apply", "run-", noMeta, hero},
		step{"state_version", "create", "sv-", noMeta, system})},
	{9, 1200, append(checkedRun(),
		step{"task_result", "callback", "taskrs-", taskResultMeta, system},
		step{"run", "apply", "run-", noMeta, hero},
		step{"state_version", "create", "sv-", noMeta, system})},
	{4, 900, append(checkedRun(), step{"run", "discard", "run-", noMeta, hero})},
	{3, 1500, []step{
		{"run", "create", "run-", noMeta, hero},
		{"policy_check", "queued", "polchk-", checkMeta, system},
		{"policy_check", "soft_failed", "polchk-", checkSoftFailedMeta, system},
		{"policy_check", "override", "polchk-", noMeta, hero},
		{"policy_check", "overridden", "polchk-", checkOverriddenMeta, hero},
		{"run", "apply", "run-", noMeta, hero},
		{"state_version", "create", "sv-", noMeta, system}}},
	{2, 600, []step{
		{"run", "create", "run-", noMeta, hero},
		{"policy_check", "queued", "polchk-", checkMeta, system},
		{"policy_check", "hard_failed", "polchk-", checkHardFailedMeta, system},
		{"run", "discard", "run-", noMeta, hero}}},
	{1.5, 600, []step{{"run", "create", "run-", noMeta, hero}, {"run", "cancel", "run-", noMeta, hero}}},
	{0.2, 900, []step{{"run", "create", "run-", noMeta, hero}, {"run", "cancel", "run-", noMeta, hero}, {"run", "force_cancel", "run-", noMeta, hero}}},
	{5, 900, []step{
		{"run", "create", "run-", noMeta, hero},
		{"policy_evaluation", "queue", "poleval-", evaluationMeta, system},
		{"policy_evaluation", "run", "poleval-", evaluationMeta, system},
		{"policy_evaluation", "pass", "poleval-", evaluationMeta, system},
		{"run", "apply", "run-", noMeta, hero},
		{"state_version", "create", "sv-", noMeta, system}}},
	{0.7, 1800, []step{
		{"run", "create", "run-", noMeta, hero},
		{"policy_evaluation", "queue", "poleval-", evaluationMeta, system},
		{"policy_evaluation", "fail", "poleval-", evaluationMeta, system},
		{"policy_evaluation", "override", "poleval-", evaluationMeta, hero},
		{"task_stage", "override", "ts-", noMeta, hero},
		{"run", "apply", "run-", noMeta, hero},
		{"state_version", "create", "sv-", noMeta, system}}},
	{9, 300, []step{{"var", "index", theWorkspace, noMeta, hero}, {"var", "update", "var-", noMeta, hero}}},
	{4, 300, []step{{"var", "index", theWorkspace, noMeta, hero}, {"var", "show", "var-", noMeta, hero}}},
	{3, 300, []step{{"var", "index", theWorkspace, noMeta, hero}, {"var", "create", "var-", noMeta, hero}}},
	{1, 300, []step{{"var", "index", theWorkspace, noMeta, hero}, {"var", "destroy", "var-", noMeta, hero}}},
	{8, 120, []step{{"state_version", "index", theWorkspace, noMeta, hero}, {"state_version", "show", "sv-", noMeta, hero}}},
	{4, 120, []step{{"configuration_version", "show", "cv-", noMeta, hero}, {"configuration_version", "download", "cv-", noMeta, hero}}},
	{3, 1, []step{{"workspace_comment", "create", "wsc-", commentMeta, hero}}},
	{2, 1, []step{{"authentication_token", "create", "at-", noMeta, hero}}},
	{1, 1, []step{{"authentication_token", "show", "at-", noMeta, hero}}},
	{1, 1, []step{{"authentication_token", "destroy", "at-", noMeta, hero}}},
	{2, 2400, []step{{"workspace", "lock", theWorkspace, noMeta, hero}, {"workspace", "unlock", theWorkspace, noMeta, hero}}},
	{0.8, 900, []step{
		{"workspace", "create", "ws-", noMeta, hero},
		{"vcs_repo", "create", "vcs-", noMeta, hero},
		{"workspace", "add_team", "ws-", teamMeta, hero},
		{"var", "create", "var-", noMeta, hero},
		{"notification_configuration", "create", "nc-", noMeta, hero},
		{"notification_configuration", "enable", "nc-", noMeta, hero},
		{"run_trigger", "create", "rt-", noMeta, hero}}},
	{0.2, 60, []step{{"project", "create", "prj-", noMeta, hero}, {"project", "add_team", "prj-", teamMeta, hero}}},
	{0.4, 1, []step{{"project", "add_team", theProject, teamMeta, hero}}},
	{0.3, 1, []step{{"project", "update_team_permissions", theProject, teamMeta, hero}}},
	{0.2, 1, []step{{"project", "remove_team", theProject, teamMeta, hero}}},
	{0.3, 1, []step{{"project", "update", theProject, noMeta, hero}}},
	{0.6, 1, []step{{"workspace", "update_team_permissions", theWorkspace, teamMeta, hero}}},
	{0.3, 1, []step{{"workspace", "remove_team", theWorkspace, teamMeta, hero}}},
	{0.5, 600, []step{{"organization_user", "create", "ou-", noMeta, hero}, {"team", "add_member", theTeam, memberMeta, hero}}},
	{0.3, 600, []step{{"team", "remove_member", theTeam, memberMeta, hero}, {"authentication_token", "destroy", "at-", noMeta, hero}, {"organization_user", "destroy", "ou-", noMeta, hero}}},
	{0.6, 1, []step{{"team", "add_member", theTeam, memberMeta, hero}}},
	{0.4, 1, []step{{"team", "remove_member", theTeam, memberMeta, hero}}},
	{0.5, 60, []step{{"oauth_token", "index", theOrg, noMeta, hero}, {"oauth_token", "show", "ot-", noMeta, hero}}},
	{0.3, 60, []step{{"oauth_client", "update", "oc-", noMeta, hero}, {"oauth_token", "update", "ot-", noMeta, hero}}},
	{0.15, 60, []step{{"oauth_client", "create", "oc-", noMeta, hero}}},
	{0.1, 60, []step{{"oauth_token", "destroy", "ot-", noMeta, hero}, {"oauth_client", "destroy", "oc-", noMeta, hero}}},
	{0.4, 60, []step{{"ssh_key", "index", theOrg, noMeta, hero}, {"ssh_key", "show", "sshkey-", noMeta, hero}}},
	{0.2, 60, []step{{"ssh_key", "create", "sshkey-", noMeta, hero}}},
	{0.1, 60, []step{{"ssh_key", "update", "sshkey-", noMeta, hero}}},
	{0.1, 60, []step{{"ssh_key", "destroy", "sshkey-", noMeta, hero}}},
	{0.5, 300, []step{{"policy_config", "create", "polcfg-", noMeta, hero}, {"policy_version", "create", "polv-", noMeta, hero}, {"policy", "update", "pol-", noMeta, hero}}},
	{0.1, 1, []step{{"policy", "destroy", "pol-", noMeta, hero}}},
	{0.05, 1, []step{{"policy_set", "destroy", "polset-", noMeta, hero}}},
	{0.2, 1, []step{{"registry_module", "destroy_version", "mod-", versionMeta, hero}}},
	{0.2, 300, []step{{"registry_provider", "create", "prov-", noMeta, hero}, {"registry_provider_version", "create", "provver-", noMeta, hero}, {"registry_provider_platform", "create", "provpltfrm-", noMeta, hero}}},
	{0.3, 1, []step{{"notification_configuration", "update", "nc-", noMeta, hero}}},
	{0.1, 1, []step{{"run_trigger", "destroy", "rt-", noMeta, hero}}},
	{0.08, 1, []step{{"saml_configuration", "update", "saml-", noMeta, hero}}},
	{0.1, 1, []step{{"organization", "update", theOrg, noMeta, hero}}},
	{0.03, 1, []step{{"data_retention_policy", "destroy", "drp-", retentionMeta, hero}}},
	{0.15, 300, []step{{"task", "create", "task-", taskMeta, hero}, {"workspace_task", "create", "wstask-", workspaceTaskMeta, hero}}},
	{0.1, 1, []step{{"workspace_task", "update", "wstask-", workspaceTaskMeta, hero}}},
	{0.3, 1, []step{{"agent", "destroy", "agent-", noMeta, hero}}},
	{0.4, 900, []step{{"stack", "create", "st-", noMeta, hero}, {"stack_configuration", "create", "stc-", noMeta, hero}, {"stack_plan", "approve", "stp-", noMeta, hero}}},
	{0.3, 1, []step{{"user", "index", theOrg, noMeta, hero}}},
	{0.05, 600, []step{{"state_version", "soft_delete_backing_data", "sv-", noMeta, hero}, {"state_version", "restore_backing_data", "sv-", noMeta, hero}}},
	{0.15, 900, []step{{"run", "create", "run-", noMeta, support}, {"run", "discard", "run-", noMeta, support}}},

	{0.4, 1, []step{{"varset", "update", "varset-", noMeta, hero}}},
	{0.2, 1, []step{{"agent_pool", "update", "apool-", noMeta, hero}}},
	{0.15, 1, []step{{"change_request", "create", "wscr-", noMeta, hero}}},
	{0.05, 1, []step{{"hyok_configuration", "create", "hyokc-", noMeta, hero}}},
}

// serviceStories is what pipelines and scheduled jobs do with team and
// organisation tokens, at any hour.
var serviceStories = []story{
	{30, 1, []step{{"state_version", "show", "sv-", noMeta, hero}}},
	{10, 60, []step{{"state_version", "index", theWorkspace, noMeta, hero}, {"state_version", "show", "sv-", noMeta, hero}}},
	{8, 60, []step{{"configuration_version", "show", "cv-", noMeta, hero}, {"configuration_version", "download", "cv-", noMeta, hero}}},
	{8, 900, append(checkedRun(),
		step{"run", "apply", "run-", noMeta, system},
		step{"state_version", "create", "sv-", noMeta, system})},
	{3, 1, []step{{"var", "index", theWorkspace, noMeta, hero}}},
	{1, 1, []step{{"registry_module", "update", "mod-", noMeta, hero}}},
}

// checkedRun begins a run whose policy check passes.
func checkedRun() []step {
	return []step{
		{"run", "create", "run-", noMeta, hero},
		{"policy_check", "queued", "polchk-", checkMeta, system},
		{"policy_check", "passed", "polchk-", checkPassedMeta, system},
	}
}
