// Sentences come from the page, in its language, with places to fill in: "{n} of {all}".

export function fillPlaceholders(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
