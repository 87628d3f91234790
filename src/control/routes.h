/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_ROUTES_H
#define CONTROL_ROUTES_H

/* The resources of a sandbox; docs/control-api.md describes each. */

#include "control/server.h"

/* Ends with a NULL path. */
extern const struct control_route control_routes[];

/* control/sandbox.c */
void control_sandbox_get(struct control_request *request);

/* control/publications.c */
void control_publications_get(struct control_request *request);
void control_publications_post(struct control_request *request);
void control_publications_delete(struct control_request *request);

/* control/ports.c */
void control_ports_get(struct control_request *request);

/* control/flows.c */
void control_flows_get(struct control_request *request);
void control_flows_delete(struct control_request *request);

/* control/web.c */
void control_web_post(struct control_request *request);

/* control/namespaces.c */
void control_namespaces_get(struct control_request *request);

/* control/rules.c */
void control_rules_get(struct control_request *request);
void control_rules_put(struct control_request *request);
void control_rules_post(struct control_request *request);
void control_rules_delete(struct control_request *request);

/* control/denials.c */
void control_denials_get(struct control_request *request);

/* control/capture_routes.c */
void control_capture_get(struct control_request *request);
void control_capture_post(struct control_request *request);
void control_capture_delete(struct control_request *request);

/* control/output.c */
void control_output_get(struct control_request *request);

/* control/metrics.c */
void control_metrics_get(struct control_request *request);

/* control/counters.c */
void control_counters_get(struct control_request *request);

/* control/limits.c */
void control_limits_get(struct control_request *request);

#endif
