// Package matrix holds operations on dense matrices stored as slices of rows.
package matrix

import (
	"errors"
	"math"
)

// Multiply returns the product of two matrices.
// It fails when the columns of a are not as many as the rows of b.
func Multiply(a, b [][]float64) ([][]float64, error) {
	if len(a) == 0 || len(b) == 0 || len(a[0]) != len(b) {
		return nil, errors.New("matrix: shapes do not fit")
	}
	product := make([][]float64, len(a))
	for i := range a {
		product[i] = make([]float64, len(b[0]))
		for k, left := range a[i] {
			for j, right := range b[k] {
				product[i][j] += left * right
			}
		}
	}
	return product, nil
}

// Transpose returns a new matrix whose rows are the columns of m.
func Transpose(m [][]float64) [][]float64 {
	if len(m) == 0 {
		return nil
	}
	turned := make([][]float64, len(m[0]))
	for j := range turned {
		turned[j] = make([]float64, len(m))
		for i := range m {
			turned[j][i] = m[i][j]
		}
	}
	return turned
}

// Determinant computes the determinant of a square matrix by Gaussian
// elimination with partial pivoting. It works on a copy of the matrix.
func Determinant(m [][]float64) float64 {
	n := len(m)
	rows := make([][]float64, n)
	for i := range m {
		rows[i] = append([]float64(nil), m[i]...)
	}
	result := 1.0
	for col := 0; col < n; col++ {
		pivot := pivotRow(rows, col)
		if rows[pivot][col] == 0 {
			return 0
		}
		if pivot != col {
			rows[pivot], rows[col] = rows[col], rows[pivot]
			result = -result
		}
		result *= rows[col][col]
		for r := col + 1; r < n; r++ {
			factor := rows[r][col] / rows[col][col]
			for c := col; c < n; c++ {
				rows[r][c] -= factor * rows[col][c]
			}
		}
	}
	return result
}

// pivotRow returns the row from col downwards whose entry in that column is
// the largest in absolute value.
func pivotRow(rows [][]float64, col int) int {
	pivot := col
	for r := col + 1; r < len(rows); r++ {
		if math.Abs(rows[r][col]) > math.Abs(rows[pivot][col]) {
			pivot = r
		}
	}
	return pivot
}

// Identity returns the n by n matrix with ones on its diagonal.
func Identity(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
		m[i][i] = 1
	}
	return m
}
