/* SPDX-License-Identifier: MIT */
#include "control/routes.h"

#include <stddef.h>

/* The routes of a path are next to one another. */
const struct control_route control_routes[] = {
	{HTTP_GET, "/v1/sandbox", control_sandbox_get},
	{HTTP_GET, "/v1/publications", control_publications_get},
	{HTTP_POST, "/v1/publications", control_publications_post},
	{HTTP_DELETE, "/v1/publications", control_publications_delete},
	{HTTP_GET, "/v1/ports", control_ports_get},
	{HTTP_GET, "/v1/flows", control_flows_get},
	{HTTP_DELETE, "/v1/flows", control_flows_delete},
	{HTTP_GET, "/v1/namespaces", control_namespaces_get},
	{HTTP_GET, "/v1/rules", control_rules_get},
	{HTTP_PUT, "/v1/rules", control_rules_put},
	{HTTP_POST, "/v1/rules", control_rules_post},
	{HTTP_DELETE, "/v1/rules", control_rules_delete},
	{HTTP_GET, "/v1/denials", control_denials_get},
	{HTTP_GET, "/v1/output", control_output_get},
	{HTTP_GET, "/v1/counters", control_counters_get},
	{HTTP_GET, "/v1/metrics", control_metrics_get},
	{HTTP_GET, "/v1/capture", control_capture_get},
	{HTTP_POST, "/v1/capture", control_capture_post},
	{HTTP_DELETE, "/v1/capture", control_capture_delete},
	{HTTP_POST, "/v1/web", control_web_post},
	{HTTP_GET, "/v1/limits", control_limits_get},
	{0},
};
