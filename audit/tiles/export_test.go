package tiles

// Number is the path of a tile.
var Number = number
