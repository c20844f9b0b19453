#ifndef REJOINDER_CLIBPQ_SHIM_H
#define REJOINDER_CLIBPQ_SHIM_H

#include <libpq-fe.h>

// Swift imports no character macros: the diagnostic fields of an error, as constants.
static const int REJOINDER_DIAG_SEVERITY = PG_DIAG_SEVERITY_NONLOCALIZED;
static const int REJOINDER_DIAG_SQLSTATE = PG_DIAG_SQLSTATE;
static const int REJOINDER_DIAG_MESSAGE = PG_DIAG_MESSAGE_PRIMARY;
static const int REJOINDER_DIAG_DETAIL = PG_DIAG_MESSAGE_DETAIL;
static const int REJOINDER_DIAG_HINT = PG_DIAG_MESSAGE_HINT;

#endif
