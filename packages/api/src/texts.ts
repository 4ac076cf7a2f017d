/** What was asked, for the record of it. Names have been made pseudonyms before. */
export const texts = (params: { readonly [name: string]: unknown }): { [name: string]: string } =>
  Object.fromEntries(
    Object.entries(params)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value).slice(0, 1_024).toWellFormed()]),
  );
