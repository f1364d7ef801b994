package main

import (
	"context"
	"fmt"
	"time"

	"exhibit/internal/engine"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// connect opens a connection for statements that the product never makes.
func (st *stage) connect(ctx context.Context) (driver.Conn, error) {
	a, err := engine.Attach(ctx, st.path("engine"))
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.Native, Addr: []string{a.Addr},
		Auth: clickhouse.Auth{Username: a.User, Password: a.Password}, ReadTimeout: 10 * time.Minute})
}

// loadStatement reads the file with ClickHouse's own functions and fills every
// column with what the import fills it with; the salt is random there too.
func loadStatement(database, path string) string {
	return fmt.Sprintf(`
INSERT INTO %s.events (source, time, id, batch, salt, received, section, ocsf, class, activity, action, outcome,
    actor_id, actor_name, actor_type, actor_impersonator, target_type, target_id, target_name,
    request_id, organisation, workspace, project, mapping, raw)
WITH
    JSONExtract(raw, 'Tuple(id String, timestamp String, auth Tuple(accessor_id String, description String, type String, impersonator_id String, organization_id String),
        request Tuple(id String), resource Tuple(id String, type String, action String, meta Tuple(workspace String, workspace_id String, project String, project_id String,
        name String, task_name String, organization_task String, team String, user String, task_result_status String)))') AS r,
    r.resource.type AS noun, r.resource.action AS verb, concat(noun, '.', verb) AS what, r.resource.meta AS meta, r.auth AS auth
SELECT '%s', parseDateTime64BestEffort(r.timestamp, 9, 'UTC'), r.id, 1, randomFixedString(16), now64(9, 'UTC'),
    multiIf(noun = 'authentication_token', 'credentials',
        verb IN ('add_member', 'remove_member', 'add_team', 'update_team_permissions', 'remove_team') OR noun = 'team', 'access-grants',
        noun IN ('organization_user', 'saml_configuration', 'organization', 'data_retention_policy') OR startsWith(noun, 'scim_'), 'admin-changes',
        what IN ('oauth_token.index', 'oauth_token.show', 'ssh_key.index', 'ssh_key.show', 'var.index', 'var.show', 'state_version.index', 'state_version.show', 'configuration_version.show')
            OR startsWith(verb, 'download'), 'data-access',
        noun IN ('oauth_client', 'oauth_token', 'ssh_key'), 'credentials',
        startsWith(noun, 'policy') OR startsWith(noun, 'run') OR noun IN ('workspace', 'project', 'state_version', 'var', 'varset', 'task', 'task_result', 'workspace_task', 'agent'), 'change-management',
        'other') AS section,
    '1.8.0', multiIf(section = 'access-grants', 3006, section IN ('credentials', 'admin-changes'), 3004, 6003),
    multiIf(verb = 'create', 1, verb IN ('read', 'show', 'index'), 2, verb = 'update', 3, verb IN ('destroy', 'delete'), 4, 99),
    what, multiIf(endsWith(verb, 'failed') OR meta.task_result_status = 'failed', 'failure', 'success'),
    auth.accessor_id, if(empty(auth.description), auth.accessor_id, auth.description), multiIf(auth.type = 'System', 'system', startsWith(auth.accessor_id, 'user-'), 'user', 'service'),
    auth.impersonator_id, noun, r.resource.id,
    multiIf(notEmpty(meta.workspace), if(noun = 'workspace', meta.workspace, concat('workspace ', meta.workspace)), notEmpty(meta.task_name), concat('task ', meta.task_name),
        notEmpty(meta.team), concat('team ', meta.team), notEmpty(meta.user), concat('user ', meta.user), notEmpty(meta.project), concat('project ', meta.project), meta.name),
    r.request.id, auth.organization_id, if(empty(meta.workspace_id) AND noun = 'workspace', r.resource.id, meta.workspace_id), meta.project_id, 1, raw
FROM file('%s', 'LineAsString', 'raw String')`, database, feed, path)
}
