/* SPDX-License-Identifier: MIT */

/* GET /v1/namespaces: the way into the sandbox, for another command there. */

#include "base/list.h"
#include "control/routes.h"

#include <stdlib.h>
#include <string.h>

struct visit {
	struct sandbox_question question;
	struct control_request *request;
};

static void answered(struct sandbox_question *question, int error,
		     const struct sandbox_answer *answer)
{
	struct visit *visit = cothon_container(question, struct visit, question);
	struct control_request *request = visit->request;

	free(visit);
	for (size_t i = 0; error == 0 && i < SANDBOX_NAMESPACES; i++)
		error = control_attach(request, answer->namespaces[i]);
	if (error == 0)
		control_answer(request, HTTP_STATUS_OK,
			       json_pack("{s[ssss], sb}", "namespaces", "user", "net", "pid", "mnt",
					 "user", request->instance->user));
	else
		control_refuse(request, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL,
			       "the sandbox cannot be entered: %s", strerrordesc_np(-error));
}

static void cancelled(struct control_request *request, void *owner)
{
	struct visit *visit = owner;

	sandbox_cancel(request->instance->sandbox, &visit->question);
	free(visit);
}

void control_namespaces_get(struct control_request *request)
{
	struct visit *visit = calloc(1, sizeof(*visit));

	if (!visit) {
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	visit->request = request;
	visit->question.word = SANDBOX_ENTER;
	visit->question.answered = answered;
	control_later(request, cancelled, visit);
	sandbox_ask(request->instance->sandbox, &visit->question);
}
