/** The server that tooltrail's own records and figures are about. */
export const ownServer = "tooltrail";
