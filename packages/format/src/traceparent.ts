/** Version, trace id, parent id, flags. Version ff and ids of zeros are invalid: https://www.w3.org/TR/trace-context/#traceparent-header */
export const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export const isTraceparent = (text: string): boolean => traceparentPattern.test(text);
